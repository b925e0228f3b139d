// The plan is the simulation of the schedule, compared with as many steps of the final model.
#include "progressive/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "config/fields.h"
#include "config/objective.h"
#include "progressive/memory.h"
#include "progressive/methods.h"

namespace apollo {

namespace {

double rows_per_pass(const RunConfig& config) {
  const RunConfig::Train& train = config.train;
  return static_cast<double>(train.micro_batch_size > 0 ? train.micro_batch_size
                                                        : train.batch_size);
}

// FLOPs of one step at full length.
class StepFlops {
 public:
  StepFlops(const RunConfig& config, const ModelShape& shape)
      : shape_(shape),
        rows_(config.train.batch_size),
        positions_(rows_ * targets_per_sequence(config)),
        forward_head_(head_forward_flops(shape, positions_)),
        update_layer_(update_flops(config.train.optimizer, shape)),
        always_again_(config.train.recompute == Recompute::kAll),
        deep_again_(config.train.recompute == Recompute::kDeep) {}

  // FLOPs of the output head, forward and backward.
  double head() const { return 3.0 * forward_head_; }
  // FLOPs, forward and backward, of blocks whose forward pass takes `forward`, and of the update of
  // `layers` layers. The first `frozen` blocks only run forward.
  double blocks(double forward, int64_t layers, int64_t frozen = 0) const {
    const double alone = first_layers_forward_flops(shape_, frozen, rows_, shape_.context);
    return (always_again_ ? 4.0 : 3.0) * (forward - alone) + alone +
           update_layer_ * static_cast<double>(layers - frozen);
  }
  // For the final model.
  double final_blocks() const { return blocks(forward(shape_.layers), shape_.layers); }
  double final_step() const { return final_blocks() + head(); }
  // For a stage: the mean over its steps, of which the share `rehearsal` draws depths.
  double of_stage(const Stage& stage, double rehearsal) const {
    const double drawn = mean_over_draws(stage, stage.layers) - forward(stage.layers);
    const double step =
        blocks(forward(stage.depth) + rehearsal * drawn, stage.layers, stage.frozen) + head();
    // Passes deeper than their stage run their blocks again.
    return step + (deep_again_ ? rehearsal * mean_over_draws(stage, stage.layers + 1) : 0.0);
  }

 private:
  double forward(int64_t depth) const {
    return layers_forward_flops(shape_, depth, rows_, shape_.context, positions_);
  }
  // Returns the mean forward FLOPs of draws of at least `shallowest`, counting others as 0.
  double mean_over_draws(const Stage& stage, int64_t shallowest) const {
    double mean = 0.0;
    for (int64_t depth = shallowest; depth <= stage.depths.max_depth(); ++depth)
      mean += stage.depths.probability(depth) * forward(depth);
    return mean;
  }

  ModelShape shape_;
  int64_t rows_, positions_;
  double forward_head_, update_layer_;
  bool always_again_, deep_again_;
};

// Share of a stage's steps in which depths are drawn, for when the simulation has not counted them.
double rehearsal_share(const RunConfig& config, const Stage& stage) {
  return stage.layers == stage.depths.max_depth() ? 0.0 : 1.0 - config.progressive.rehearse_from;
}

// Returns the activations of a stage's largest pass. That is the deepest pass, or a pass of the
// stage's own depth, which keeps what the deepest one computes again.
double largest_activation_bytes(const RunConfig& config, const ModelShape& shape,
                                const Stage& stage) {
  int64_t deepest = stage.depths.max_depth();
  while (stage.depths.probability(deepest) <= 0.0)
    --deepest;
  const auto rows_at = [&](int64_t depth) {
    return stage.micro_batch_sizes.empty() ? static_cast<int64_t>(rows_per_pass(config))
                                           : stage.micro_batch_sizes.at(depth);
  };
  const bool always_again = config.train.recompute == Recompute::kAll;
  const bool deepest_again =
      config.train.recompute != Recompute::kNone && (always_again || deepest > stage.layers);
  // Blocks that only run forward keep nothing.
  if (stage.depth < stage.layers) deepest = stage.depth;
  return std::max(
      activation_bytes(config, shape, deepest - stage.frozen, rows_at(deepest), deepest_again),
      activation_bytes(config, shape, stage.depth - stage.frozen, rows_at(stage.depth),
                       always_again));
}

StagePlan plan_stage(const RunConfig& config, const ModelShape& shape, const Stage& stage,
                     const Schedule::StageSummary* summary) {
  StagePlan plan;
  plan.layers = stage.layers;
  double rehearsal = rehearsal_share(config, stage);
  if (summary != nullptr && summary->num_steps > 0) {
    rehearsal =
        static_cast<double>(summary->num_rehearsal_steps) / static_cast<double>(summary->num_steps);
  }
  const double unique = static_cast<double>(stage.layers);
  plan.expected_depth =
      static_cast<double>(stage.depth) + rehearsal * (stage.depths.mean() - unique);
  plan.parameters = num_parameters(shape, stage.layers);
  plan.state_bytes = state_bytes(config.train.optimizer, shape, stage.layers);
  plan.activation_bytes = largest_activation_bytes(config, shape, stage) +
                          cast_bytes(config.train.precision, shape, stage.layers);
  const StepFlops step(config, shape);
  plan.step_flops = step.of_stage(stage, rehearsal);
  if (summary == nullptr) return plan;

  plan.first_step = summary->first_step;
  plan.steps = summary->num_steps;
  plan.actual_depth = summary->mean_depth;
  plan.flops = summary->flops;
  if (plan.steps == 0) return plan;
  const double scratch = static_cast<double>(plan.steps) * step.final_step();
  plan.share_of_scratch = plan.flops / scratch;
  return plan;
}

}  // namespace

RunPlan plan_run(const RunConfig& config, const ModelShape& shape, int64_t train_sequences,
                 double flops_per_second, const std::optional<SourceModel>& source) {
  RunPlan plan;
  plan.source = source;
  if (source) plan.before = cost_before_start(*source, config, shape);
  const Schedule schedule(after_cost(config, plan.before.flops), shape, train_sequences);
  plan.config = config;
  plan.shape = shape;
  plan.known_ahead = !schedule.summaries().empty();
  plan.train_sequences = train_sequences;
  plan.flops_per_second = flops_per_second;
  plan.parameters = num_parameters(shape, shape.layers);
  plan.block_parameters = shape.layers * num_layer_parameters(shape);
  plan.update_flops =
      update_flops(config.train.optimizer, shape) * static_cast<double>(shape.layers);

  const double batch = static_cast<double>(config.train.batch_size);
  const StepFlops step(config, shape);
  plan.scratch_step_flops = step.final_step();
  double num_passes = 0.0;  // of the head: one per step
  for (size_t i = 0; i < schedule.stages().size(); ++i) {
    StagePlan stage = plan_stage(config, shape, schedule.stages()[i],
                                 plan.known_ahead ? &schedule.summaries()[i] : nullptr);
    if (stage.steps > 0) {
      const double steps = static_cast<double>(stage.steps);
      stage.layer_share_of_scratch =
          (stage.flops - steps * step.head()) / (steps * step.final_blocks());
      num_passes += steps;
    }
    plan.stages.push_back(stage);
  }
  if (!plan.known_ahead) return plan;

  plan.steps = schedule.total_steps();
  plan.flops = schedule.total_flops();
  const double steps = static_cast<double>(plan.steps);
  plan.tokens = steps * batch * static_cast<double>(shape.context);
  plan.share_of_scratch = plan.flops / (steps * step.final_step());
  plan.layer_share_of_scratch =
      (plan.flops - num_passes * step.head()) / (steps * step.final_blocks());
  plan.advice = advise(config, shape, plan.before.flops + plan.flops);
  if (flops_per_second > 0.0) plan.seconds = plan.flops / flops_per_second;
  return plan;
}

namespace {

std::string percent(double share) {
  return fmt::format("{:.1f} %", 100.0 * share);
}

// What the rules of model.size came to, where they were asked.
std::string size_text(const RunPlan& plan) {
  const RunConfig& config = plan.config;
  if (config.model.size.empty()) return "";
  const auto parameters = static_cast<double>(num_parameters(plan.shape, plan.shape.layers));
  return fmt::format("size {}: {} parameters, learning rate {}\n", config.model.size,
                     format_count(parameters), config.train.lr);
}

std::string header_text(const RunPlan& plan) {
  const RunConfig& config = plan.config;
  const RunConfig::Progressive& keys = config.progressive;
  return fmt::format(
      "{}: {} of {} layers, width {}, {} heads, context {}, vocabulary {}\n"
      "method {}: {}\n"
      "layer map {}, new layers {}; depth {} per {}, rehearse from {}; optimizer state {}; trains "
      "{}\n"
      "run of {}: batches of {} sequences, {} sequences in an epoch\n"
      "{}",
      config.run.name, enum_name(plan.shape.architecture), plan.shape.layers, plan.shape.width,
      plan.shape.heads, plan.shape.context, plan.shape.vocab_size, keys.method,
      find_method(keys.method).summary, enum_name(keys.layer_map), enum_name(keys.new_layers),
      enum_name(keys.depth_sampler), enum_name(keys.depth_draw), keys.rehearse_from,
      enum_name(keys.optimizer_state), enum_name(keys.trains), to_string(config.train.duration),
      config.train.batch_size, plan.train_sequences, size_text(plan));
}

std::string optimizer_text(const RunPlan& plan) {
  if (plan.update_flops == 0.0) return "";
  return fmt::format("optimizer {}: an update of the final model takes {}, {} of its step\n",
                     enum_name(plan.config.train.optimizer), format_flops(plan.update_flops),
                     percent(plan.update_flops / plan.scratch_step_flops));
}

std::string memory_text(const RunPlan& plan) {
  std::string text =
      fmt::format("while a checkpoint is written: up to {} more of host memory\n",
                  format_bytes(checkpoint_bytes(plan.config.train.optimizer, plan.shape,
                                                plan.stages.back().layers)));
  return text;
}

std::string source_text(const RunPlan& plan) {
  if (!plan.source) return "";
  const SourceModel& source = *plan.source;
  const RunConfig::Progressive& keys = plan.config.progressive;
  const std::string cost = source.cost
                               ? fmt::format("{} in {}, {}", format_flops(source.cost->flops),
                                             format_seconds(source.cost->seconds),
                                             keys.charge_source ? "charged" : "not charged")
                               : std::string("unknown cost, not charged");
  std::string text =
      fmt::format("source: {}, {} layers, width {}, by {}; {}\n", source.folder.string(),
                  source.shape.layers, source.shape.width, enum_name(keys.source_map), cost);
  const double learning = growth_learning_flops(source, plan.config, plan.shape);
  if (learning > 0.0) {
    text += fmt::format("        {} to learn its growth in {} steps, charged\n",
                        format_flops(learning), keys.source_steps);
  }
  return text;
}

// Where the stages end, as shares of the run's steps and of its FLOPs. The steps of early stages
// are cheap, so the first share is far larger than the second.
struct StageEnds {
  std::vector<double> of_steps;
  std::vector<double> of_flops;
};

StageEnds stage_ends(const RunPlan& plan) {
  StageEnds ends;
  double flops = 0.0;
  for (const StagePlan& stage : plan.stages) {
    flops += stage.flops;
    ends.of_steps.push_back(static_cast<double>(stage.first_step + stage.steps) /
                            static_cast<double>(plan.steps));
    ends.of_flops.push_back(flops / plan.flops);
  }
  return ends;
}

std::string ends_text(const RunPlan& plan) {
  if (plan.stages.size() < 2) return "";
  const auto listed = [](std::vector<double> shares) {
    shares.pop_back();  // the last stage ends with the run
    std::string text;
    for (const double share : shares)
      text += fmt::format("{}{:.1f}", text.empty() ? "" : ", ", 100.0 * share);
    return text + " %";
  };
  const StageEnds ends = stage_ends(plan);
  return fmt::format("       stages end at {} of the steps and {} of the FLOPs\n",
                     listed(ends.of_steps), listed(ends.of_flops));
}

std::string totals_text(const RunPlan& plan) {
  if (!plan.known_ahead) return "steps and totals are decided while it runs\n";
  std::string text = fmt::format(
      "total: {} steps, {} tokens, {}\n"
      "       {} of training from scratch for as many steps ({} without the head)\n",
      plan.steps, format_count(plan.tokens), format_flops(plan.flops),
      percent(plan.share_of_scratch), percent(plan.layer_share_of_scratch));
  text += ends_text(plan);
  text += fmt::format("       {:.3g} tokens per parameter, {:.3g} without embeddings and head\n",
                      plan.tokens_per_parameter(), plan.tokens_per_block_parameter());
  if (plan.before.flops > 0.0) {
    text += fmt::format("with what was spent before the first step: {}\n",
                        format_flops(plan.before.flops + plan.flops));
  }
  if (plan.seconds) {
    text += fmt::format("time:  {} at {}/s{}\n", format_seconds(*plan.seconds),
                        format_flops(plan.flops_per_second),
                        plan.rate_source.empty() ? "" : ", " + plan.rate_source);
  }
  return text + (plan.advice ? advice_text(*plan.advice) : "");
}

}  // namespace

std::string plan_table(const RunPlan& plan) {
  constexpr const char* kRow =
      "{:>5}  {:>6}  {:>10}  {:>8}  {:>8}  {:>6}  {:>9}  {:>11}  {:>11}  "
      "{:>11}  {:>10}\n";
  std::string text = header_text(plan) + optimizer_text(plan) + source_text(plan) + "\n";
  text += fmt::format(fmt::runtime(kRow), "stage", "layers", "first step", "steps", "E[depth]",
                      "depth", "params", "state", "activations", "FLOPs", "of scratch");
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const StagePlan& stage = plan.stages[i];
    const auto known = [&](const std::string& value) { return plan.known_ahead ? value : "?"; };
    text += fmt::format(fmt::runtime(kRow), i + 1, stage.layers,
                        known(std::to_string(stage.first_step)), known(std::to_string(stage.steps)),
                        fmt::format("{:.3f}", stage.expected_depth),
                        known(fmt::format("{:.3f}", stage.actual_depth)),
                        format_count(static_cast<double>(stage.parameters)),
                        format_bytes(stage.state_bytes), format_bytes(stage.activation_bytes),
                        known(format_flops(stage.flops)), known(percent(stage.share_of_scratch)));
  }
  return text + memory_text(plan) + "\n" + totals_text(plan);
}

namespace {

Json source_json(const RunPlan& plan) {
  if (!plan.source) return nullptr;
  const SourceModel& source = *plan.source;
  return {{"folder", source.folder.string()},
          {"layers", source.shape.layers},
          {"width", source.shape.width},
          {"map", enum_name(plan.config.progressive.source_map)},
          {"flops", source.cost ? Json(source.cost->flops) : Json()},
          {"wall_s", source.cost ? Json(source.cost->seconds) : Json()},
          {"charged", plan.config.progressive.charge_source && source.cost.has_value()},
          {"learning_flops", growth_learning_flops(source, plan.config, plan.shape)}};
}

}  // namespace

Json plan_json(const RunPlan& plan) {
  const auto known = [&](const auto& value) { return plan.known_ahead ? Json(value) : Json(); };
  Json stages = Json::array();
  const StageEnds ends = stage_ends(plan);
  for (const StagePlan& stage : plan.stages) {
    const size_t i = stages.size();
    stages.push_back({{"layers", stage.layers},
                      {"first_step", known(stage.first_step)},
                      {"steps", known(stage.steps)},
                      {"expected_depth", stage.expected_depth},
                      {"mean_depth", known(stage.actual_depth)},
                      {"parameters", stage.parameters},
                      {"state_bytes", stage.state_bytes},
                      {"activation_bytes", stage.activation_bytes},
                      {"checkpoint_bytes",
                       checkpoint_bytes(plan.config.train.optimizer, plan.shape, stage.layers)},
                      {"step_flops", stage.step_flops},
                      {"flops", known(stage.flops)},
                      {"end_share_of_steps", known(ends.of_steps[i])},
                      {"end_share_of_flops", known(ends.of_flops[i])},
                      {"share_of_scratch", known(stage.share_of_scratch)},
                      {"layer_share_of_scratch", known(stage.layer_share_of_scratch)}});
  }
  return {{"name", plan.config.run.name},
          {"method", plan.config.progressive.method},
          {"vocab_size", plan.shape.vocab_size},
          {"train_sequences", plan.train_sequences},
          {"stages", stages},
          {"steps", known(plan.steps)},
          {"tokens", known(plan.tokens)},
          {"tokens_per_parameter", known(plan.tokens_per_parameter())},
          {"tokens_per_block_parameter", known(plan.tokens_per_block_parameter())},
          {"optimizer", enum_name(plan.config.train.optimizer)},
          {"update_flops", plan.update_flops},
          {"flops", known(plan.flops)},
          {"source", source_json(plan)},
          {"flops_before", plan.before.flops},
          {"share_of_scratch", known(plan.share_of_scratch)},
          {"layer_share_of_scratch", known(plan.layer_share_of_scratch)},
          {"advice", plan.advice ? advice_json(*plan.advice) : Json()},
          {"flops_per_second", plan.flops_per_second > 0 ? Json(plan.flops_per_second) : Json()},
          {"seconds", plan.seconds ? Json(*plan.seconds) : Json()}};
}

}  // namespace apollo
