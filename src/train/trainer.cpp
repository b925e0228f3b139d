#include "train/trainer.h"

#include <ATen/Parallel.h>

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/allocator.h"
#include "base/error.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/stop_signal.h"
#include "base/units.h"
#include "config/config_compare.h"
#include "config/fields.h"
#include "config/toml_io.h"
#include "ops/determinism.h"
#include "ops/matmul.h"
#include "progressive/map_trial.h"
#include "progressive/memory.h"
#include "progressive/readiness.h"
#include "train/growth_probe.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

LrCurve make_lr_curve(const RunConfig::Train& train, const Schedule& schedule) {
  return {train.lr_schedule, train.lr, train.lr_final, schedule.share(train.warmup, train.lr_axis),
          schedule.share(train.decay, train.lr_axis)};
}

AdamWOptions make_adamw_options(const RunConfig::Train& train) {
  return {train.betas.at(0), train.betas.at(1), train.epsilon, train.weight_decay};
}

bool wants(const RunConfig& config, EvalDepth which) {
  const auto& depths = config.eval.depths;
  return std::find(depths.begin(), depths.end(), which) != depths.end();
}

// How a thread waits for the others, which libgomp reads when it is loaded (cli/main.cpp).
std::string waiting_of_threads() {
  for (const char* name : {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}) {
    if (const char* value = std::getenv(name)) {
      return fmt::format("threads wait by {}={}", name, value);
    }
  }
  return "threads wait as libgomp sets it";
}

std::string how_passes_run(at::Device device, const TrainingPasses& passes) {
  if (device.is_cpu()) return "matrix products by " + matmul_library_name();
  return passes.records() ? "passes recorded as CUDA graphs" : "passes launched by operator";
}

// A kill can come between the last checkpoint, after which `begin` bytes had been logged, and the
// row that says that the run is over.
bool has_end_row(const fs::path& metrics, int64_t begin) {
  const MappedFile file(metrics);
  const auto after = std::min(file.text().size(), static_cast<size_t>(begin));
  return file.text().substr(after).find(R"({"event":"end")") != std::string_view::npos;
}

}  // namespace

Trainer::Trainer(ResolvedConfig resolved, fs::path run_dir)
    : resolved_(std::move(resolved)),
      run_dir_(std::move(run_dir)),
      device_(find_device(resolved_.config.run.device)) {
  RunConfig& config = resolved_.config;
  use_deterministic_operators(device_);
  open_run_folder();
  take_machine_choices();
  at::set_num_threads(static_cast<int>(config.run.threads));
  set_matmul_library(config.run.kernels == Kernels::kFused ? config.run.matmul
                                                           : MatmulLibrary::kLibTorch);
  data_ = open_run_data(config, resolved_.base_dir);
  config.model.vocab_size = data_.vocab_size;
  train_ = make_batches(config, *data_.train, data_.tokenizer.get());
  prefetcher_ = std::make_unique<BatchPrefetcher>(*train_, config.train.batch_size);
  if (data_.valid != nullptr) {
    valid_ = make_batches(config, *data_.valid, data_.tokenizer.get());
  } else {
    log_warning(
        "no validation data: only the training loss will be known; hint: data.valid or "
        "data.valid_fraction = 0.01");
  }
  model_spec_ = new_model_spec(config, data_.vocab_size);
  if (config.train.micro_batch_size == 0) {
    config.train.micro_batch_size = choose_micro_batch(
        config, model_spec_.shape,
        memory_budget_bytes(device_) - map_trial_bytes(config, model_spec_.shape));
  }
  auto loaded = load_latest_checkpoint(run_dir_ / "checkpoints", device_);
  if (!loaded) {
    beginning_ = plan_beginning(resolved_, model_spec_.shape, data_.tokenizer.get());
  }
  const TrainingCost before = loaded ? loaded->state.before : beginning_.before;
  schedule_ = std::make_unique<Schedule>(after_cost(config, before.flops), model_spec_.shape,
                                         train_->num_sequences());
  evaluations_ = std::make_unique<Recurrence>(config.eval.every, *schedule_);
  checkpoints_ = std::make_unique<Recurrence>(config.checkpoint.every, *schedule_);
  probes_ = std::make_unique<Recurrence>(config.progressive.probe_every, *schedule_);
  passes_ = std::make_unique<TrainingPasses>(
      device_, config.run.cuda_graphs ? make_device_graph_recorder(device_) : nullptr);
  context_ = std::make_unique<StepContext>(StepContext{
      config, *schedule_, *prefetcher_, make_lr_curve(config.train, *schedule_),
      make_adamw_options(config.train), make_pass_options(config, /*training=*/true), *passes_});
  energy_ = std::make_unique<EnergyMeter>(device_.is_cuda() ? device_.index() : -1);
  start_or_resume(std::move(loaded));
}

Trainer::~Trainer() = default;

void Trainer::open_run_folder() {
  std::error_code error;
  fs::create_directories(run_dir_, error);
  if (error) fail<Error>("{}: cannot make the run folder: {}", run_dir_.string(), error.message());
  lock_ = std::make_unique<FileLock>(run_dir_ / ".lock");
  add_log_file(run_dir_ / "log.txt");
}

// Values that the user left to the machine: those with which the run began, if it did.
void Trainer::take_machine_choices() {
  RunConfig& config = resolved_.config;
  if (config.train.micro_batch_size == 0) {
    config.train.micro_batch_by_depth = config.progressive.depth_draw == DepthDraw::kStep;
  }
  if (fs::exists(run_dir_ / "checkpoints" / "latest")) {
    const RunConfig before = load_run_config(run_dir_ / "run.toml").config;
    if (config.run.threads == 0) config.run.threads = before.run.threads;
    if (config.train.micro_batch_size == 0) {
      config.train.micro_batch_size = before.train.micro_batch_size;
    }
  }
  if (config.run.threads == 0) config.run.threads = num_physical_cores();
}

void Trainer::start_or_resume(std::optional<LoadedCheckpoint> loaded) {
  if (loaded) {
    check_identity(loaded->info);
    state_ = std::move(loaded->state);
    energy_before_ = state_.energy_joules;
    // The intervals may have grown since, and with them shrunk the counts.
    state_.evaluations_due =
        std::min(state_.evaluations_due, evaluations_->times_due(state_.position));
    state_.checkpoints_due =
        std::min(state_.checkpoints_due, checkpoints_->times_due(state_.position));
    const int64_t metrics_bytes = loaded->info.metrics_bytes;
    if (finished() && has_end_row(run_dir_ / "metrics.jsonl", metrics_bytes)) return;
    log_ = std::make_unique<RunLog>(run_dir_, metrics_bytes, state_.position.step + 1);
  } else {
    make_first_model();
    write_file_atomic(run_dir_ / "run.toml", to_toml(resolved_));
    log_ = std::make_unique<RunLog>(run_dir_, /*keep_bytes=*/0, /*first_step=*/0);
  }
  writer_ = std::make_unique<CheckpointWriter>(run_dir_, data_.tokenizer.get(),
                                               resolved_.config.checkpoint.keep);
  log_beginning();
  if (loaded) {
    log_->resume(state_);
  } else {
    Json header = start_header();
    header.update(source_header(beginning_, resolved_.config));
    log_->start(header);
  }
}

void Trainer::make_first_model() {
  const auto start = std::chrono::steady_clock::now();
  state_.model = first_model(beginning_, resolved_.config, model_spec_, *train_, device_);
  state_.optimizer = make_adamw_state(state_.model->parameters());
  state_.before = beginning_.before;
  if (beginning_.source) state_.before.seconds += seconds_since(start);
}

void Trainer::log_beginning() const {
  const ModelShape& shape = model_spec_.shape;
  log_info("{}: {} layers, width {}, heads {}, context {}, vocabulary {}: {} parameters",
           enum_name(shape.architecture), shape.layers, shape.width, shape.heads, shape.context,
           shape.vocab_size,
           format_count(static_cast<double>(num_parameters(shape, shape.layers))));
  log_info("data: {} training tokens, {} validation tokens",
           format_count(static_cast<double>(data_.train->size())),
           data_.valid ? format_count(static_cast<double>(data_.valid->size())) : "no");
  log_info("device {}, {} threads, {} kernels, {}, LibTorch {}", device_.str(),
           resolved_.config.run.threads, enum_name(resolved_.config.run.kernels),
           how_passes_run(device_, *passes_), APOLLO_TORCH_VERSION);
  log_info("allocator: {}; {}", allocator_settings(), waiting_of_threads());
  for (const Schedule::StageSummary& stage : schedule_->summaries()) {
    log_info("stage of {:>2} layers: steps {} to {}, mean depth {:.2f}, {}", stage.layers,
             stage.first_step, stage.first_step + stage.num_steps, stage.mean_depth,
             format_flops(stage.flops));
  }
  if (state_.position.step > 0) {
    log_info("resumed at step {}: stage {}, {} layers", state_.position.step,
             state_.stage.index + 1, state_.model->num_layers());
  }
}

Json Trainer::start_header() const {
  const RunConfig& config = resolved_.config;
  const ModelShape& shape = model_spec_.shape;
  const CheckpointInfo info = identity();
  const double total_flops = schedule_->total_flops();
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return {{"version", APOLLO_VERSION},
          {"torch", APOLLO_TORCH_VERSION},
          {"name", config.run.name},
          {"method", config.progressive.method},
          {"architecture", enum_name(shape.architecture)},
          {"layers", shape.layers},
          {"width", shape.width},
          {"heads", shape.heads},
          {"context", shape.context},
          {"vocab_size", shape.vocab_size},
          {"parameters", num_parameters(shape, shape.layers)},
          {"batch_size", config.train.batch_size},
          {"micro_batch_size", config.train.micro_batch_size},
          {"tokens_per_step", config.train.batch_size * shape.context},
          {"total_steps", schedule_->total_steps()},
          {"total_flops", total_flops > 0.0 ? state_.before.flops + total_flops : 0.0},
          {"seed", config.run.seed},
          {"device", device_.str()},
          {"threads", config.run.threads},
          {"precision", enum_name(config.train.precision)},
          {"kernels", enum_name(config.run.kernels)},
          {"matmul", matmul_library_name()},
          {"train_data", or_null(info.train_data)},
          {"valid_data", or_null(info.valid_data)},
          {"tokenizer", or_null(info.tokenizer_hash)},
          {"energy_source", energy_->source()}};
}

CheckpointInfo Trainer::identity() const {
  return {.config_hash = config_hash(resolved_.config),
          .train_data = data_.train->info().content_hash,
          .valid_data = data_.valid ? data_.valid->info().content_hash : "",
          .tokenizer_hash = data_.tokenizer ? data_.tokenizer->hash() : ""};
}

void Trainer::check_identity(const CheckpointInfo& saved) const {
  const CheckpointInfo now = identity();
  std::vector<std::string> differences;
  if (saved.config_hash != now.config_hash) {
    const ResolvedConfig before = load_run_config(run_dir_ / "run.toml");
    differences = differing_keys(before.config, resolved_.config);
  }
  if (saved.train_data != now.train_data) differences.emplace_back("the training data");
  if (saved.valid_data != now.valid_data) differences.emplace_back("the validation data");
  if (saved.tokenizer_hash != now.tokenizer_hash) differences.emplace_back("the tokenizer");
  if (differences.empty()) return;
  throw ConfigError({{run_dir_.string(),
                      fmt::format("the run in this folder was started with other values:\n    {}",
                                  fmt::join(differences, "\n    ")),
                      "take them back to go on with it, or start another run with --out"}});
}

void Trainer::run() {
  if (log_ == nullptr) {
    log_info("{}: finished already, at step {}", run_dir_.string(), state_.position.step);
    return;
  }
  try {
    loop();
  } catch (const Interrupted& stop) {
    save();
    log_written(writer_->wait());
    log_->end(state_, "signal", energy_joules());
    log_info("stopped by signal {} at step {}; the same command goes on from here", stop.signal(),
             state_.position.step);
    throw;
  } catch (const DivergedError&) {
    log_->end(state_, "diverged", energy_joules());
    throw;
  }
  log_written(writer_->wait());
  log_->end(state_, "finished", energy_joules());
}

void Trainer::loop() {
  while (true) {
    evaluate_if_due();
    if (grow_if_due()) continue;
    save_if_due();
    if (finished()) return;
    log_written(writer_->poll());
    throw_if_stopped();
    step();
  }
}

bool Trainer::finished() const {
  return schedule_->finished(state_.position) &&
         (valid_ == nullptr || state_.last_evaluated_step == state_.position.step);
}

void Trainer::step() {
  const auto start = std::chrono::steady_clock::now();
  const StepResult result = train_step(state_, *context_);
  const double seconds = seconds_since(start);
  state_.position.hours += seconds / 3600.0;
  log_->step(state_, result, seconds, energy_joules(),
             schedule_->progress(state_.position, LrAxis::kFlops));
}

void Trainer::evaluate_if_due() {
  if (valid_ == nullptr || state_.last_evaluated_step == state_.position.step) return;
  const int64_t times_due = evaluations_->times_due(state_.position);
  if (times_due <= state_.evaluations_due && !schedule_->finished(state_.position)) return;
  const RunConfig& config = resolved_.config;
  const int64_t full_depth = model_spec_.shape.layers;
  const int64_t stage_depth = state_.model->num_layers();
  std::vector<std::pair<const char*, int64_t>> wanted;
  if ((wants(config, EvalDepth::kStage) || stage_depth == 0) && stage_depth != full_depth) {
    wanted.emplace_back("stage", stage_depth);
  }
  // Without layers there are none to share at a greater depth.
  const bool has_layers = stage_depth > 0;
  if (has_layers && (wants(config, EvalDepth::kFull) || stage_depth == full_depth)) {
    wanted.emplace_back("full", full_depth);
  }
  // A signal can end this half-way; nothing is logged or charged before all of it is done.
  const auto start = std::chrono::steady_clock::now();
  std::vector<EvaluationResult> results;
  for (const auto& [which, depth] : wanted)
    results.push_back(evaluate_at(depth));
  state_.eval_seconds += seconds_since(start);
  for (size_t i = 0; i < wanted.size(); ++i) {
    state_.eval_flops += results[i].flops;
    log_evaluation(wanted[i].first, wanted[i].second, results[i]);
  }
  state_.evaluations_due = times_due;
  state_.last_evaluated_step = state_.position.step;
}

EvaluationResult Trainer::evaluate_at(int64_t depth) {
  const RunConfig& config = resolved_.config;
  return evaluate(*state_.model, depth, *valid_,
                  {.batch_size = config.eval.batch_size > 0 ? config.eval.batch_size
                                                            : config.train.micro_batch_size,
                   .max_tokens = config.eval.max_tokens,
                   .pass = make_pass_options(config, /*training=*/false)});
}

void Trainer::log_evaluation(const char* which, int64_t depth, const EvaluationResult& result) {
  EvaluationRow row{.which = which, .depth = depth, .loss = result.loss};
  const DatasetInfo& info = data_.valid->info();
  if (!state_.model->is_causal()) {
    row.accuracy = result.accuracy;
  } else {
    row.perplexity = perplexity(result.loss);
    if (info.text_bytes > 0) {
      row.bits_per_byte = bits_per_byte(result.loss, info.num_tokens, info.text_bytes);
    }
  }
  log_->evaluation(state_, row, energy_joules());
}

bool Trainer::grow_if_due() {
  if (schedule_->finished(state_.position)) return false;
  StageState next = state_.stage;
  std::optional<Readiness> readiness;
  if (!schedule_->advance(state_.position, next)) {
    readiness = probe_readiness();
    if (!readiness) return false;
    if (!readiness->row.ready) {
      charge(*readiness);
      state_.stage.last_probe = readiness->probe;
      return false;
    }
    schedule_->advance_early(state_.position, next);
  }
  const int64_t target = schedule_->stages()[static_cast<size_t>(next.index)].layers;
  if (state_.model->num_layers() != target) return grow(next, readiness);
  state_.stage = next;
  return false;
}

bool Trainer::grow(const StageState& next, const std::optional<Readiness>& readiness) {
  const RunConfig& config = resolved_.config;
  const int64_t target = schedule_->stages()[static_cast<size_t>(next.index)].layers;
  const std::vector<LayerMapKind> kinds = schedule_->maps_on_trial(state_.position, next);
  std::optional<MapTrial> trial;
  if (!kinds.empty()) trial = try_maps(state_, next, kinds, *context_);
  GrowthRow row;
  row.from = state_.model->num_layers();
  row.to = target;
  const GrowthProbe before = probe_growth(*state_.model, valid_.get(), config);
  const auto start = std::chrono::steady_clock::now();
  GrownLayers grown =
      grow_layers(state_, trial ? trial->chosen : config.progressive.layer_map, target, config);
  const double growth_hours = seconds_since(start) / 3600.0;
  const GrowthProbe after = probe_growth(*grown.model, valid_.get(), config);
  // From here on nothing can throw: a signal before it leaves the state before growth.
  row.map = std::move(grown.map);
  state_.model = std::move(grown.model);
  state_.optimizer = std::move(grown.optimizer);
  state_.stage = next;
  if (readiness) charge(*readiness);
  state_.position.hours += growth_hours;
  row.loss_before = before.full_loss;
  row.loss_after = after.full_loss;
  row.own_loss_before = before.own_loss;
  row.own_loss_after = after.own_loss;
  state_.eval_flops += before.flops + after.flops;
  log_->growth(state_, row);
  if (trial) keep_chosen(std::move(*trial), row.from);
  return trial.has_value();
}

// The run goes on from the chosen copy, whose steps took the time of all copies.
void Trainer::keep_chosen(MapTrial trial, int64_t from) {
  log_->trial(state_, from, trial);
  state_.model = std::move(trial.model);
  state_.optimizer = std::move(trial.optimizer);
  const double seconds = trial.seconds / static_cast<double>(trial.steps.size());
  double hours = state_.position.hours;
  for (const TrialStep& step : trial.steps) {
    hours += seconds / 3600.0;
    state_.position = step.position;
    state_.position.hours = hours;
    state_.tokens = step.tokens;
    log_->step(state_, step.result, seconds, energy_joules(),
               schedule_->progress(state_.position, LrAxis::kFlops));
  }
}

// By the nesting theorem the loss after growth is that of the shared layers at the new depth.
std::optional<Trainer::Readiness> Trainer::probe_readiness() {
  const int64_t next_layers = schedule_->layers_to_probe(state_.stage);
  if (next_layers == 0 || probes_->times_due(state_.position) <= state_.stage.probes_due) {
    return std::nullopt;
  }
  const auto start = std::chrono::steady_clock::now();
  const int64_t layers = state_.model->num_layers();
  const EvaluationResult own = evaluate_at(layers);
  const EvaluationResult next = evaluate_at(next_layers);
  const DepthProbe probe = {state_.position, own.loss, next.loss};
  std::optional<Gains> gains;
  if (state_.stage.last_probe) {
    gains =
        expected_gains(*state_.stage.last_probe, probe, schedule_->next_step_flops(state_.stage));
  }
  const bool ready = is_ready(resolved_.config.progressive.grow_when, probe, gains);
  return Readiness{probe,
                   {layers, next_layers, own.loss, next.loss, gains, ready},
                   own.flops + next.flops,
                   seconds_since(start)};
}

// Apart from the probe, so that a signal during the growth that follows leaves the probe due.
void Trainer::charge(const Readiness& readiness) {
  state_.stage.probes_due = probes_->times_due(state_.position);
  state_.eval_flops += readiness.flops;
  state_.eval_seconds += readiness.seconds;
  log_->probe(state_, readiness.row);
}

void Trainer::save_if_due() {
  const int64_t times_due = checkpoints_->times_due(state_.position);
  if (times_due <= state_.checkpoints_due && !finished()) return;
  state_.checkpoints_due = times_due;
  save();
}

void Trainer::save() {
  const auto start = std::chrono::steady_clock::now();
  log_written(writer_->wait());
  state_.energy_joules = energy_joules().value_or(0.0);
  CheckpointInfo info = identity();
  info.metrics_bytes = log_->flush();
  writer_->start(copy_for_checkpoint(state_, info), start);
  state_.position.hours += seconds_since(start) / 3600.0;
}

void Trainer::log_written(const std::optional<WrittenCheckpoint>& written) {
  if (written) log_->checkpoint(state_, *written);
}

double Trainer::seconds_since(std::chrono::steady_clock::time_point start) const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::optional<double> Trainer::energy_joules() {
  const auto joules = energy_->joules();
  if (!joules) return std::nullopt;
  return energy_before_ + *joules;
}

}  // namespace apollo
