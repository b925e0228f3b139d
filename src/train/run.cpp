#include "train/run.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/units.h"
#include "config/config_compare.h"
#include "config/fields.h"
#include "config/toml_io.h"
#include "config/value_names.h"
#include "ops/determinism.h"
#include "ops/onednn.h"
#include "progressive/memory.h"
#include "progressive/source_model.h"
#include "train/machine.h"
#include "train/matmul_choice.h"
#include "train/peak.h"
#include "train/run_length.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

std::chrono::milliseconds timeout_of(const RunConfig& config) {
  const std::chrono::duration<double> seconds(seconds_of(config.run.rank_timeout).value());
  return std::chrono::duration_cast<std::chrono::milliseconds>(seconds);
}

// Rank 0 opens the folder, the others wait until it has.
void open_folder(Run& run, const fs::path& dir) {
  run.dir = dir;
  if (!run.workers->leads()) {
    run.workers->gather({});
    return;
  }
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) fail<Error>("{}: cannot make the run folder: {}", dir.string(), error.message());
  run.lock = std::make_unique<FileLock>(dir / ".lock");
  run.log_file = std::make_unique<LogFile>(dir / "log.txt");
  run.workers->gather({});
}

// A run that goes on without the folder of model.from, which may have moved, has what it took from
// there in its own config.
void take_begun_config(ResolvedConfig& resolved, const fs::path& dir) {
  const std::string& from = resolved.config.model.from;
  if (from.empty() || fs::exists(source_path(resolved.config, resolved.base_dir)) ||
      !fs::exists(dir / "checkpoints" / "latest")) {
    return;
  }
  log_info("{}: no longer there; what the run took from it stands in {}", from,
           (dir / "run.toml").string());
  const RunConfig begun = load_run_config(dir / "run.toml").config;
  visit_fields(
      [&](const Field& field, auto& value, const auto& before) {
        const auto origin = resolved.origins.find(field.path());
        const bool is_asked = origin != resolved.origins.end() && origin->second != "model.from" &&
                              !origin->second.starts_with("method ");
        if (!is_asked) value = before;
      },
      resolved.config, begun);
}

// What model.size chose when the run began stays, whatever its rules choose now. Stages that a
// method made of it stay with it.
void take_begun_sizes(ResolvedConfig& resolved, const fs::path& dir) {
  RunConfig& config = resolved.config;
  if (config.model.size.empty() || !fs::exists(dir / "checkpoints" / "latest")) return;
  const RunConfig begun = load_run_config(dir / "run.toml").config;
  if (begun.model.size != config.model.size) return;
  const bool takes_stages = begun.model.layers != config.model.layers &&
                            begun.progressive.method == config.progressive.method;
  visit_fields(
      [&](const Field& field, auto& value, const auto& before) {
        const auto origin = resolved.origins.find(field.path());
        if (origin == resolved.origins.end()) return;
        const bool is_of_method = origin->second.starts_with("method ");
        if (origin->second == "model.size" || (is_of_method && takes_stages)) value = before;
      },
      config, begun);
}

// Values that the user left to the machine: those with which the run began, if it did.
void take_machine_choices(RunConfig& config, const fs::path& dir, int64_t ranks_here, bool leads) {
  if (config.train.micro_batch_size == 0) {
    config.train.micro_batch_by_depth = config.progressive.depth_draw == DepthDraw::kStep;
  }
  if (fs::exists(dir / "checkpoints" / "latest")) {
    const RunConfig before = load_run_config(dir / "run.toml").config;
    if (config.run.threads == 0) config.run.threads = before.run.threads;
    if (leads && config.run.threads != before.run.threads) {
      log_warning(
          "run.threads was {} and is {} now: the run goes on, and the last bits of its numbers may "
          "differ",
          before.run.threads, config.run.threads);
    }
    if (config.train.micro_batch_size == 0) {
      config.train.micro_batch_size = before.train.micro_batch_size;
    }
  }
  if (config.run.threads == 0) {
    config.run.threads = std::max<int64_t>(1, num_physical_cores() / ranks_here);
  }
}

// Before anything of the model is made: what does not fit takes the machine with it.
void check_memory(const Run& run, int64_t ranks_here) {
  const double needed = needed_bytes(run.config(), run.model.shape) -
                        spared_bytes(run.config(), run.model.shape, run.workers->size());
  const double free = free_memory_bytes(run.device) / static_cast<double>(ranks_here);
  if (free <= 0.0 || needed <= free) return;
  const ModelShape& shape = run.model.shape;
  throw ConfigError(
      {{"model",
        fmt::format("{} layers of width {} with a vocabulary of {} have {} parameters, whose "
                    "training takes at least {}; {} has {} free{}",
                    shape.layers, shape.width, shape.vocab_size,
                    format_count(static_cast<double>(num_parameters(shape, shape.layers))),
                    format_bytes(needed), run.device.str(), format_bytes(free),
                    ranks_here > 1 ? " for each process" : ""),
        "a smaller model, a smaller train.micro_batch_size, or train.recompute = \"all\""}});
}

// The config with the tokenizer of the run's own checkpoint where the folder that it names is gone.
// That it is the same one, the identity of the checkpoint says.
RunConfig with_tokenizer_at_hand(const Run& run) {
  RunConfig config = run.config();
  std::string& tokenizer = config.data.tokenizer;
  const bool is_folder =
      !tokenizer.empty() && tokenizer != "bytes" && !asks_for_training(tokenizer);
  if (!is_folder || run.dir.empty() || fs::exists(run.resolved.base_dir / tokenizer)) return config;
  const fs::path own = fs::absolute(run.dir) / "checkpoints" / "latest";
  if (has_tokenizer(own)) tokenizer = own.string();
  return config;
}

void add_data(Run& run, int64_t ranks_here) {
  RunConfig& config = run.resolved.config;
  run.data = open_run_data(with_tokenizer_at_hand(run), run.resolved.base_dir);
  config.model.vocab_size = run.data.vocab_size;
  run.train = make_batches(config, *run.data.train, run.data.tokenizer.get());
  run.batches = std::make_unique<BatchPrefetcher>(*run.train, config.train.batch_size);
  if (run.data.valid != nullptr) {
    run.valid = make_batches(config, *run.data.valid, run.data.tokenizer.get());
  }
  if (run.data.test != nullptr) {
    run.test = make_batches(config, *run.data.test, run.data.tokenizer.get());
  }
  run.model = new_model_spec(config, run.data.vocab_size);
  check_memory(run, ranks_here);
  if (config.train.micro_batch_size == 0) {
    const double budget = memory_budget_bytes(run.device) / static_cast<double>(ranks_here) +
                          spared_bytes(config, run.model.shape, run.workers->size());
    const int64_t own = choose_micro_batch(config, run.model.shape, budget);
    config.train.micro_batch_size =
        -static_cast<int64_t>(run.workers->largest(-static_cast<double>(own)));
  }
}

// Rank 0 decides; oneDNN only where every rank has it.
void choose_matmul(Run& run, const CheckpointInfo* saved) {
  const RunConfig& config = run.config();
  if (!measures_library(config, run.device)) return;
  MatmulLibrary own = MatmulLibrary::kLibTorch;
  if (saved != nullptr) {
    own = library_of_state(saved->matmul);
  } else if (run.workers->leads()) {
    own = choose_library(config, run.model.shape, run.device);
  }
  const double numbers[] = {static_cast<double>(own), onednn() != nullptr ? 1.0 : 0.0};
  const std::vector<double> all = run.workers->gather(numbers);
  run.matmul = static_cast<MatmulLibrary>(static_cast<int>(all[0]));
  for (size_t i = 1; i < all.size(); i += 2) {
    if (all[i] == 0.0) run.matmul = MatmulLibrary::kLibTorch;
  }
}

void add_optimizer(Run& run) {
  const RunConfig& config = run.config();
  run.optimizer = make_optimizer(config.train);
  run.shards = std::make_unique<Shards>(*run.workers, *run.optimizer, config.run.shard_optimizer);
}

// From here on the config is what runs. `flops_before` count as spent before the first step.
void add_schedule(Run& run, double flops_before, std::unique_ptr<DeviceGraphRecorder> recorder) {
  const RunConfig& config = run.config();
  run.schedule = std::make_unique<Schedule>(after_cost(config, flops_before), run.model.shape,
                                            run.train->num_sequences());
  run.passes = std::make_unique<TrainingPasses>(
      run.device, make_pass_options(config, /*training=*/true), std::move(recorder));
  run.identity = {.config_hash = config_hash(config),
                  .train_data = run.data.train->info().content_hash,
                  .valid_data = run.data.valid ? run.data.valid->info().content_hash : "",
                  .tokenizer_hash = run.data.tokenizer ? run.data.tokenizer->hash() : "",
                  .optimizer = run.optimizer->name(),
                  .matmul = matmul_library_name()};
}

// Every rank must train the same on the same.
void check_ranks(const Run& run) {
  const CheckpointInfo& own = run.identity;
  run.workers->expect_equal(hash_number(own.config_hash), "another config");
  run.workers->expect_equal(hash_number(own.train_data), "other training data");
  run.workers->expect_equal(hash_number(own.valid_data), "other validation data");
  run.workers->expect_equal(hash_number(own.tokenizer_hash), "another tokenizer");
  run.workers->expect_equal(run.config().run.shard_optimizer ? 1.0 : 0.0,
                            "another run.shard_optimizer");
  run.workers->expect_equal(hash_number(run.data.test ? run.data.test->info().content_hash : ""),
                            "other test data");
}

// Of all ranks at the same time: they may share a machine.
void measure_peak(Run& run) {
  const double own[] = {measure_peak_flops_per_second(run.device, run.config().train.precision)};
  for (const double peak : run.workers->gather(own))
    run.peak_flops_per_second += peak;
}

// Whether nothing but the length differs from `begun`, and that may; else why it may not.
bool takes_length(const Run& run, const RunConfig& begun, const TrainState& state,
                  std::string& why_not) {
  RunConfig so_far = run.config();
  so_far.train.duration = begun.train.duration;
  if (config_hash(so_far) != config_hash(begun)) return false;
  why_not = why_length_is_fixed(run, after_cost(so_far, state.before.flops), state);
  return why_not.empty();
}

void check_identity(Run& run, const LoadedCheckpoint& loaded) {
  const CheckpointInfo& saved = loaded.info;
  const CheckpointInfo& now = run.identity;
  std::vector<std::string> differences;
  std::string hint = "take them back to go on with it, or start another run with --out";
  const RunConfig begun = load_run_config(run.dir / "run.toml").config;
  if (saved.config_hash != now.config_hash) differences = differing_keys(begun, run.config());
  // run.toml, which the run writes anew, may be ahead of the checkpoint or behind it.
  run.has_new_length = begun.train.duration != run.config().train.duration;
  if (std::string why_not; run.has_new_length && !differences.empty()) {
    if (takes_length(run, begun, loaded.state, why_not)) {
      differences.clear();
      if (run.workers->leads())
        log_info("train.duration was '{}' and is '{}' now", to_string(begun.train.duration),
                 to_string(run.config().train.duration));
    } else if (!why_not.empty()) {
      hint = fmt::format("{}; `apollo train --from {}` begins a new run with its weights", why_not,
                         run.dir.string());
    }
  }
  // A config of before the key was has AdamW's.
  if (saved.optimizer != now.optimizer && differences.empty()) {
    differences.push_back(fmt::format("the optimizer: {} -> {}", saved.optimizer, now.optimizer));
  }
  if (saved.train_data != now.train_data) differences.emplace_back("the training data");
  if (saved.valid_data != now.valid_data) differences.emplace_back("the validation data");
  if (saved.tokenizer_hash != now.tokenizer_hash) differences.emplace_back("the tokenizer");
  if (differences.empty()) return;
  throw ConfigError({{run.dir.string(),
                      fmt::format("the run in this folder was started with other values:\n    {}",
                                  fmt::join(differences, "\n    ")),
                      hint}});
}

// What a state that is whole in itself may still not be for this run.
void check_place(const Run& run, const TrainState& state) {
  const auto& stages = run.schedule->stages();
  const auto num_stages = static_cast<int64_t>(stages.size());
  if (state.stage.index >= num_stages) {
    fail<CheckpointError>("{}: the checkpoint is in stage {} of a run of {}", run.dir.string(),
                          state.stage.index + 1, num_stages);
  }
  const int64_t layers = stages[static_cast<size_t>(state.stage.index)].layers;
  if (state.model->num_layers() != layers) {
    fail<CheckpointError>("{}: expected {} layers in stage {}, found {}", run.dir.string(), layers,
                          state.stage.index + 1, state.model->num_layers());
  }
}

void resume(Run& run, LoadedCheckpoint loaded) {
  check_identity(run, loaded);
  check_place(run, loaded.state);
  run.resumes = true;
  run.metrics_bytes = loaded.info.metrics_bytes;
  run.state = std::move(loaded.state);
}

void begin(Run& run) {
  const auto start = std::chrono::steady_clock::now();
  run.state.model = first_model(run.beginning, run.config(), run.model, *run.train, run.device);
  const ParameterSet& parameters = run.state.model->parameters();
  run.state.optimizer =
      run.optimizer->fresh_state(parameters, run.shards->own_part(parameters.layout()));
  run.state.before = run.beginning.before;
  if (!run.beginning.source) return;
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  run.state.before.seconds += seconds.count();
}

}  // namespace

Run open_run(ResolvedConfig resolved, const fs::path& dir) {
  Run run;
  run.resolved = std::move(resolved);
  const std::optional<Launch> launch = find_launch();
  const int64_t ranks_here = launch ? launch->local_size : 1;
  run.device = find_device(run.config().run.device, launch ? launch->local_rank : 0);
  check_precision(run.config().train.precision, run.device, cpu_multiplies_bf16());
  use_deterministic_operators(run.device);
  run.workers =
      launch ? join_workers(*launch, run.device, dir, timeout_of(run.config())) : single_worker();
  open_folder(run, dir);
  take_begun_config(run.resolved, dir);
  take_begun_sizes(run.resolved, dir);
  take_machine_choices(run.resolved.config, dir, ranks_here, run.workers->leads());
  run.matmul = run.config().run.matmul;
  const MachineScope machine(run.config().run, run.matmul);
  add_data(run, ranks_here);
  if (run.valid == nullptr && run.workers->leads()) {
    log_warning(
        "no validation data: only the training loss will be known; hint: data.valid or "
        "data.valid_fraction = 0.01");
  }
  add_optimizer(run);
  auto loaded = load_latest_checkpoint(
      dir / "checkpoints", run.device,
      [&](const ParameterLayout& layout) { return run.shards->own_part(layout); });
  if (!loaded) {
    run.beginning = plan_beginning(run.resolved, run.model.shape, run.data.tokenizer.get());
  }
  choose_matmul(run, loaded ? &loaded->info : nullptr);
  const MachineScope chosen(run.config().run, run.matmul);
  add_schedule(run, loaded ? loaded->state.before.flops : run.beginning.before.flops,
               run.config().run.cuda_graphs ? make_device_graph_recorder(run.device) : nullptr);
  check_ranks(run);
  measure_peak(run);
  if (loaded) {
    resume(run, std::move(*loaded));
  } else {
    begin(run);
  }
  return run;
}

Run prepare_run(ResolvedConfig resolved, std::unique_ptr<DeviceGraphRecorder> recorder) {
  Run run;
  run.resolved = std::move(resolved);
  run.device = find_device(run.config().run.device);
  run.workers = single_worker();
  add_data(run, /*ranks_here=*/1);
  add_optimizer(run);
  add_schedule(run, /*flops_before=*/0.0, std::move(recorder));
  return run;
}

}  // namespace apollo
