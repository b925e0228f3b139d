// The schedule and its simulation. The simulation adds FLOPs step by step, in the trainer's order
// and with the same doubles, so both stop at the same step.
#include "progressive/schedule.h"

#include <algorithm>
#include <cmath>

#include "arch/hidden_matrices.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/stop_signal.h"
#include "config/objective.h"
#include "progressive/memory.h"
#include "progressive/stage_faults.h"

namespace apollo {

namespace {

constexpr double kMaxSteps = 1e9;

// Returns the whole number of steps that covers `steps`, ignoring a rounding error above a whole
// number.
double whole_steps(double steps) {
  return std::ceil(steps * (1.0 - 1e-12));
}

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace

double coordinate(const RunPosition& position, Milestone::Axis axis) {
  switch (axis) {
    case Milestone::Axis::kSteps:
      return static_cast<double>(position.step);
    case Milestone::Axis::kFlops:
      return position.flops;
    case Milestone::Axis::kHours:
      return position.hours;
    case Milestone::Axis::kNever:
      return 0.0;
  }
  return 0.0;
}

bool Milestone::reached(const RunPosition& position) const {
  return axis != Axis::kNever && coordinate(position, axis) >= value;
}

double update_flops(OptimizerKind optimizer, const ModelShape& shape) {
  switch (optimizer) {
    case OptimizerKind::kAdamW:
      return 0.0;
    case OptimizerKind::kMuon:
      return newton_schulz_flops(shape);
  }
  return 0.0;
}

Schedule::Schedule(const RunConfig& config, const ModelShape& shape, int64_t train_sequences)
    : shape_(shape),
      targets_per_sequence_(targets_per_sequence(config)),
      update_flops_(update_flops(config.train.optimizer, shape)),
      seed_(config.run.seed),
      recompute_(config.train.recompute),
      lr_axis_(config.train.lr_axis),
      keys_(config.progressive),
      batch_size_(config.train.batch_size),
      micro_batch_size_(config.train.micro_batch_size),
      train_sequences_(train_sequences),
      duration_(config.train.duration) {
  if (batch_size_ < 1 || train_sequences_ < 1 || shape_.context < 1) {
    fail<UsageError>(
        "a schedule needs sequences: batch_size {}, {} training sequences of {} tokens",
        batch_size_, train_sequences_, shape_.context);
  }
  if (micro_batch_size_ < 1) micro_batch_size_ = batch_size_;
  micro_steps_ = ceil_div(batch_size_, micro_batch_size_);

  std::vector<Diagnostic> faults = stage_faults(config);
  if (faults.empty() && resolve_stages(config, faults)) {
    simulate_run(config, faults);
    check_lengths(config, faults);
  }
  if (!faults.empty()) throw ConfigError(std::move(faults));
  if (keys_.rewarm.value > 0.0) rewarm_share_ = share(keys_.rewarm, lr_axis_);
  lr_ = lr_curve(config.train);
}

Milestone Schedule::resolve(const Duration& duration, const Duration& whole) const {
  const double batch = static_cast<double>(batch_size_);
  switch (duration.unit) {
    case DurationUnit::kSteps:
      return {Milestone::Axis::kSteps, whole_steps(duration.value)};
    case DurationUnit::kTokens:
      return {Milestone::Axis::kSteps, whole_steps(duration.value / (batch * shape_.context))};
    case DurationUnit::kTokensPerParameter: {
      const auto parameters = static_cast<double>(num_parameters(shape_, shape_.layers));
      return resolve({duration.value * parameters, DurationUnit::kTokens}, whole);
    }
    case DurationUnit::kEpochs:
      return {Milestone::Axis::kSteps, whole_steps(duration.value * train_sequences_ / batch)};
    case DurationUnit::kFlops:
      return {Milestone::Axis::kFlops, duration.value};
    case DurationUnit::kHours:
    case DurationUnit::kMinutes:
    case DurationUnit::kSeconds:
      return {Milestone::Axis::kHours, seconds_of(duration).value() / 3600.0};
    case DurationUnit::kPercent:
      return resolve({whole.value * duration.value / 100.0, whole.unit}, whole);
    case DurationUnit::kPercentSteps:
      return {Milestone::Axis::kSteps, whole_steps(num_steps_ * duration.value / 100.0)};
  }
  return {};
}

// With trains = "new", a stage trains what the growth before it added, and the head. The first
// stage has no growth before it, and the last one trains the whole model.
Stage Schedule::make_stage(const RunConfig& config, size_t index, const Milestone& end) const {
  const std::vector<StageSpec>& specs = config.progressive.stages;
  const int64_t layers = specs[index].layers;
  Stage stage{layers, end,
              DepthDistribution(config.progressive.depth_sampler, layers, shape_.layers),
              specs[index].depth.value_or(layers)};
  if (config.train.micro_batch_by_depth && config.train.micro_batch_size > 0) {
    for (int64_t depth = 0; depth <= shape_.layers; ++depth)
      stage.micro_batch_sizes.push_back(micro_batch_at_depth(config, shape_, layers, depth));
  }
  const bool is_last = index + 1 == specs.size();
  if (config.progressive.trains == Trains::kAll || is_last) return stage;
  for (size_t i = index; i-- > 0 && stage.frozen == 0;) {
    if (specs[i].layers < layers) stage.frozen = specs[i].layers;
  }
  return stage;
}

void Schedule::make_stages(const RunConfig& config) {
  const std::vector<StageSpec>& specs = config.progressive.stages;
  stages_.clear();
  for (size_t i = 0; i < specs.size(); ++i) {
    const Milestone end = specs[i].until ? resolve(*specs[i].until, duration_) : end_;
    stages_.push_back(make_stage(config, i, end));
  }
}

bool Schedule::resolve_stages(const RunConfig& config, std::vector<Diagnostic>& faults) {
  end_ = resolve(duration_, duration_);
  if (end_.axis == Milestone::Axis::kSteps) num_steps_ = end_.value;
  make_stages(config);
  const size_t num_faults = faults.size();
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (stages_[i].end.axis == Milestone::Axis::kHours) known_ahead_ = false;
    check_stage_end(
        config, i,
        [&](const Duration& length) -> PlaceInRun {
          const Milestone place = milestone(length);
          return {static_cast<int>(place.axis), place.value};
        },
        faults);
  }
  return faults.size() == num_faults;
}

void Schedule::simulate_run(const RunConfig& config, std::vector<Diagnostic>& faults) {
  const double fewest_flops =
      train_flops(shape_, stages_.front().depth, batch_size_, targets_per_sequence_);
  const double steps =
      end_.axis == Milestone::Axis::kFlops ? end_.value / fewest_flops : end_.value;
  if (end_.axis != Milestone::Axis::kHours && steps > kMaxSteps) {
    faults.push_back({"train.duration",
                      fmt::format("a run of more than {:g} steps cannot be planned (got '{}')",
                                  kMaxSteps, to_string(duration_)),
                      "larger batches, or a shorter run"});
    return;
  }
  if (!known_ahead_) {
    if (end_.axis == Milestone::Axis::kSteps) total_steps_ = static_cast<int64_t>(end_.value);
    if (end_.axis == Milestone::Axis::kFlops) total_flops_ = end_.value;
    return;
  }
  find_num_steps(config);
  const RunPosition last = simulate({}, &summaries_);
  total_steps_ = last.step;
  if (num_steps_ == 0.0) num_steps_ = static_cast<double>(last.step);
  total_flops_ = last.flops;
  for (size_t i = 0; i + 1 < stages_.size(); ++i) {
    if (stages_[i].end.reached(last)) continue;
    faults.push_back({fmt::format("progressive.stages[{}].until", i),
                      fmt::format("ends after the run, which lasts '{}': {} steps, {:.4g} FLOPs "
                                  "(got '{}')",
                                  to_string(duration_), last.step, last.flops,
                                  to_string(*config.progressive.stages[i].until)),
                      "the last stage needs a part of the run for itself"});
  }
}

// For a run measured in FLOPs whose stages end at shares of its steps, finds the number of steps S
// that the run takes if those shares are of S. One step more before a stage's end lengthens the run
// by less than a step. So "the run takes more than S steps" holds up to one S and not beyond it.
void Schedule::find_num_steps(const RunConfig& config) {
  const std::vector<StageSpec>& specs = config.progressive.stages;
  const bool is_asked = std::any_of(specs.begin(), specs.end(), [](const StageSpec& spec) {
    return spec.until && spec.until->unit == DurationUnit::kPercentSteps;
  });
  if (num_steps_ > 0.0 || !is_asked) return;
  const auto surplus_with = [&](double num_steps) {
    num_steps_ = num_steps;
    make_stages(config);
    return static_cast<double>(simulate({}, nullptr).step) - num_steps;
  };
  double low = 0.0;  // the run takes more steps than this
  double low_surplus = surplus_with(low);
  double high = kMaxSteps + surplus_with(kMaxSteps);  // and no more than this
  double high_surplus = surplus_with(high);
  for (int round = 0; high - low > 1.0; ++round) {
    const double share = round % 2 == 0 ? low_surplus / (low_surplus - high_surplus) : 0.5;
    const double middle = std::clamp(std::ceil(std::lerp(low, high, share)), low + 1.0, high - 1.0);
    const double surplus = surplus_with(middle);
    (surplus > 0.0 ? low : high) = middle;
    (surplus > 0.0 ? low_surplus : high_surplus) = surplus;
  }
  surplus_with(high);
}

void Schedule::check_lengths(const RunConfig& config, std::vector<Diagnostic>& faults) const {
  if (!faults.empty()) return;
  const auto check = [&](const char* key, const Duration& length) {
    const Milestone::Axis axis = resolve(length, duration_).axis;
    if (length.unit == DurationUnit::kPercent || axis == axis_of(config.train.lr_axis) ||
        (known_ahead_ && axis != Milestone::Axis::kHours)) {
      return;
    }
    faults.push_back({key,
                      fmt::format("cannot be compared with a run of '{}' before it ran (got '{}')",
                                  to_string(duration_), to_string(length)),
                      "give it in the run's unit, or in %"});
  };
  check("train.warmup", config.train.warmup);
  if (config.train.lr_schedule == LrSchedule::kWsd) check("train.decay", config.train.decay);
  if (config.progressive.rewarm.value > 0.0) {
    check("progressive.rewarm", config.progressive.rewarm);
  }
  const auto check_share = [&](const std::string& key, const Duration& length) {
    if (num_steps_ > 0.0 || length.unit != DurationUnit::kPercentSteps) return;
    faults.push_back({key,
                      fmt::format("how many steps a run of '{}' has is not known before it ran "
                                  "(got '{}')",
                                  to_string(duration_), to_string(length)),
                      "give it in the run's unit, or in %"});
  };
  const std::vector<StageSpec>& specs = config.progressive.stages;
  for (size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].until)
      check_share(fmt::format("progressive.stages[{}].until", i), *specs[i].until);
  }
  check_share("eval.every", config.eval.every);
  check_share("checkpoint.every", config.checkpoint.every);
  for (const Duration& moment : config.checkpoint.at)
    check_share("checkpoint.at", moment);
}

RunPosition Schedule::simulate(const Milestone& until, std::vector<StageSummary>* summaries) const {
  RunPosition position;
  StageState state;
  std::vector<StageSummary> found(stages_.size());
  std::vector<double> depth_sums(stages_.size(), 0.0);
  std::vector<int64_t> num_draws(stages_.size(), 0);
  Progress progress("simulating the schedule", end_.value,
                    end_.axis == Milestone::Axis::kFlops ? "FLOP" : "steps");
  while (!finished(position) && !until.reached(position)) {
    if (position.step % 65536 == 0) {
      throw_if_stopped();
      progress.update(coordinate(position, end_.axis));
    }
    advance(position, state);
    const std::vector<int64_t> depths = depths_at(position, state);
    const double flops = step_flops(depths, state);
    StageSummary& summary = found[state.index];
    if (summary.num_steps++ == 0) summary.first_step = position.step;
    summary.flops += flops;
    summary.num_rehearsal_steps += rehearses(position, state) ? 1 : 0;
    // With one draw for all passes, their number depends on the depth, so they count once.
    const size_t draws = keys_.depth_draw == DepthDraw::kStep ? 1 : depths.size();
    for (size_t m = 0; m < draws; ++m)
      depth_sums[state.index] += static_cast<double>(depths[m]);
    num_draws[state.index] += static_cast<int64_t>(draws);
    position.flops += flops;
    ++position.step;
  }
  if (summaries == nullptr) return position;
  for (size_t i = 0; i < stages_.size(); ++i) {
    found[i].layers = stages_[i].layers;
    if (num_draws[i] > 0) found[i].mean_depth = depth_sums[i] / static_cast<double>(num_draws[i]);
    const bool skipped = i > 0 && found[i].num_steps == 0;
    if (skipped) found[i].first_step = found[i - 1].first_step + found[i - 1].num_steps;
  }
  *summaries = std::move(found);
  return position;
}

bool Schedule::finished(const RunPosition& position) const {
  return end_.reached(position);
}

bool Schedule::advance(const RunPosition& position, StageState& state) const {
  const int64_t last = static_cast<int64_t>(stages_.size()) - 1;
  bool moved = false;
  while (state.index < last && stages_[state.index].end.reached(position)) {
    const int64_t layers = stages_.at(state.index).layers;
    ++state.index;
    state.start = position;
    moved = true;
    if (stages_.at(state.index).layers == layers) continue;
    // A skipped stage never ran, so its growth and the next one count as one.
    if (state.grown.step != position.step) state.grown_from = layers;
    state.grown = position;
  }
  return moved;
}

bool Schedule::rehearses(const RunPosition& position, const StageState& state) const {
  const Stage& stage = stages_.at(state.index);
  if (stage.depths.fixed() && stage.depths.depth_at(0.5) == stage.layers) return false;
  if (keys_.rehearse_from <= 0.0) return true;
  const double start = coordinate(state.start, stage.end.axis);
  const double length = stage.end.value - start;
  if (length <= 0.0) return true;
  return (coordinate(position, stage.end.axis) - start) / length >= keys_.rehearse_from;
}

int64_t Schedule::draw_depth_at(int64_t step, int64_t micro_step, const Stage& stage) const {
  if (keys_.stratify == 0) return draw_depth(stage.depths, seed_, step, micro_step);
  const bool by_step = keys_.depth_draw == DepthDraw::kStep;
  const int64_t index = by_step ? step : step * micro_steps_ + micro_step;
  return stage.depths.depth_at(stratified_uniform(seed_, index, keys_.stratify));
}

std::vector<int64_t> Schedule::depths_of_step(int64_t depth, const StageState& state) const {
  return std::vector<int64_t>(ceil_div(batch_size_, micro_batch_size(depth, state)), depth);
}

std::vector<int64_t> Schedule::depths_at(const RunPosition& position,
                                         const StageState& state) const {
  const Stage& stage = stages_.at(state.index);
  if (!rehearses(position, state)) return depths_of_step(stage.depth, state);
  if (keys_.depth_draw == DepthDraw::kStep) {
    return depths_of_step(draw_depth_at(position.step, 0, stage), state);
  }
  std::vector<int64_t> depths;
  for (int64_t m = 0; m < micro_steps_; ++m)
    depths.push_back(draw_depth_at(position.step, m, stage));
  return depths;
}

LayerMap Schedule::blocks_at(int64_t depth, int64_t micro_step, const RunPosition& position,
                             const StageState& state) const {
  const int64_t layers = stages_.at(state.index).layers;
  if (depth >= layers) return sharing_map(keys_.layer_map, layers, depth);
  const bool by_step = keys_.depth_draw == DepthDraw::kStep;
  return random_subnetwork(layers, depth, seed_, position.step, by_step ? 0 : micro_step);
}

LrCurve Schedule::lr_curve(const RunConfig::Train& train) const {
  LrCurve curve{.kind = train.lr_schedule,
                .peak = train.lr,
                .final_fraction = train.lr_final,
                .warmup = share(train.warmup, train.lr_axis)};
  if (train.lr_schedule == LrSchedule::kWsd) curve.decay = share(train.decay, train.lr_axis);
  return curve;
}

double Schedule::lr_factor(double progress, const StageState& state) const {
  double factor = 1.0;
  const double layers = static_cast<double>(std::max<int64_t>(1, stages_.at(state.index).layers));
  if (keys_.lr_depth_power != 0.0) {
    factor = std::pow(static_cast<double>(shape_.layers) / layers, keys_.lr_depth_power);
  }
  if (rewarm_share_ <= 0.0 || state.grown.step == 0) return factor;
  const double since_growth = progress - this->progress(state.grown, lr_axis_);
  return factor * std::clamp(since_growth / rewarm_share_, 0.0, 1.0);
}

int64_t Schedule::micro_batch_size(int64_t depth, const StageState& state) const {
  const std::vector<int64_t>& sizes = stages_.at(state.index).micro_batch_sizes;
  return sizes.empty() ? micro_batch_size_ : sizes.at(depth);
}

int64_t Schedule::micro_batch_rows(int64_t depth, int64_t micro_step,
                                   const StageState& state) const {
  const int64_t size = micro_batch_size(depth, state);
  return std::min(size, batch_size_ - micro_step * size);
}

bool Schedule::recomputes(int64_t depth, const StageState& state) const {
  return recompute_ == Recompute::kAll ||
         (recompute_ == Recompute::kDeep && depth > stages_.at(state.index).layers);
}

double Schedule::step_flops(const std::vector<int64_t>& depths, const StageState& state) const {
  double flops = 0.0;
  for (size_t m = 0; m < depths.size(); ++m) {
    const int64_t rows = micro_batch_rows(depths[m], static_cast<int64_t>(m), state);
    flops += train_flops(shape_, depths[m], rows, targets_per_sequence_,
                         recomputes(depths[m], state), stages_.at(state.index).frozen);
  }
  const Stage& stage = stages_.at(state.index);
  return flops + update_flops_ * static_cast<double>(stage.layers - stage.frozen);
}

// Returns the learning rate at the middle of the step, so that neither the first nor the last step
// is lost to a rate of zero.
double Schedule::step_lr(const RunPosition& before, const StageState& state, double flops) const {
  RunPosition after = before;
  after.step += 1;
  after.flops += flops;
  const double middle = 0.5 * (progress(before, lr_axis_) + progress(after, lr_axis_));
  return lr_.at(middle) * lr_factor(middle, state);
}

StepPlan Schedule::plan_step(const RunPosition& position, const StageState& state) const {
  const Stage& stage = stages_.at(static_cast<size_t>(state.index));
  const std::vector<int64_t> depths = depths_at(position, state);
  StepPlan plan;
  plan.flops = step_flops(depths, state);
  plan.lr = step_lr(position, state, plan.flops);
  for (size_t m = 0; m < depths.size(); ++m) {
    const auto micro_step = static_cast<int64_t>(m);
    const int64_t depth = depths[m];
    PassPlan pass{
        .blocks = blocks_at(depth, micro_step, position, state),
        .first = micro_step * micro_batch_size(depth, state),
        .rows = micro_batch_rows(depth, micro_step, state),
        .recompute = recomputes(depth, state),
        .frozen = stage.frozen,
        .dropout_key = random_bits(seed_, RngStream::kDropout, static_cast<uint64_t>(position.step),
                                   static_cast<uint32_t>(micro_step))};
    // A subnetwork has fewer branches; this keeps the variance of their sum.
    if (depth < stage.layers) {
      pass.branch_scale = std::sqrt(static_cast<double>(stage.layers) / static_cast<double>(depth));
    }
    plan.passes.push_back(std::move(pass));
  }
  return plan;
}

Milestone::Axis Schedule::axis_of(LrAxis axis) const {
  if (!known_ahead_) return end_.axis;
  return axis == LrAxis::kSteps ? Milestone::Axis::kSteps : Milestone::Axis::kFlops;
}

double Schedule::total(Milestone::Axis axis) const {
  if (axis == end_.axis) return end_.value;
  return axis == Milestone::Axis::kSteps ? static_cast<double>(total_steps_) : total_flops_;
}

double Schedule::progress(const RunPosition& position, LrAxis axis) const {
  const Milestone::Axis on = axis_of(axis);
  return std::clamp(coordinate(position, on) / total(on), 0.0, 1.0);
}

double Schedule::share(const Duration& duration, LrAxis axis) const {
  if (duration.unit == DurationUnit::kPercent) return std::min(duration.value / 100.0, 1.0);
  const Milestone::Axis on = axis_of(axis);
  const Milestone length = resolve(duration, duration_);
  if (length.axis == on) return std::min(length.value / total(on), 1.0);
  if (!known_ahead_ || length.axis == Milestone::Axis::kHours) {
    fail<UsageError>("'{}' cannot be compared with a run of '{}' before it ran",
                     to_string(duration), to_string(duration_));
  }
  return std::min(coordinate(simulate(length, nullptr), on) / total(on), 1.0);
}

}  // namespace apollo
