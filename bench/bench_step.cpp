// Runs training steps on request, so that a script can measure them in turn with those of another
// program on the same weights and batches. Each line read from stdin says how many steps to run
// (empty: one). The answer is one JSON line: the batch and the loss of the first of these steps,
// their FLOPs, the mean seconds per step, and the most GPU memory held so far.
//
//   bench_step MODEL_FOLDER TOKENS.bin BATCH_SIZE THREADS LR [--matmul LIBRARY] [--device DEVICE]
//              [--precision PRECISION] [--kernels KERNELS] [--no-graphs]
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <string>

#include "base/allocator.h"
#include "base/json_lines.h"
#include "config/enum_names.h"
#include "data/batches.h"
#include "model/hf_folder.h"
#include "ops/determinism.h"
#include "ops/matmul.h"
#include "ops/tensor_allocator.h"
#include "train/matmul_choice.h"
#include "train/train_step.h"

namespace apollo {
namespace {

struct Options {
  std::string model_folder, tokens;
  int64_t batch_size = 1;
  int threads = 1;
  double lr = 0.0;
  std::string matmul = "auto";
  std::string device = "cpu";
  std::string precision = "fp32";
  std::string kernels = "fused";
  bool no_graphs = false;
};

RunConfig bench_config(const ModelSpec& spec, const Options& options) {
  RunConfig config;
  config.model.architecture = spec.shape.architecture;
  config.model.layers = spec.shape.layers;
  config.model.context = spec.shape.context;
  config.train.duration = {1e6, DurationUnit::kSteps};
  config.train.batch_size = options.batch_size;
  config.train.micro_batch_size = options.batch_size;
  config.train.lr = options.lr;
  config.train.lr_schedule = LrSchedule::kConstant;
  config.train.warmup = {0.0, DurationUnit::kSteps};  // the peers have none
  config.run.matmul = parse_enum<MatmulLibrary>(options.matmul, "--matmul");
  config.run.kernels = parse_enum<Kernels>(options.kernels, "--kernels");
  config.train.precision = parse_enum<Precision>(options.precision, "--precision");
  config.progressive.method = "scratch";
  config.progressive.stages = {{spec.shape.layers, std::nullopt}};
  return config;
}

void wait_for(at::Device device) {
  if (!device.is_cpu()) at::accelerator::synchronizeDevice(device.index());
}

double peak_device_bytes(at::Device device) {
  if (device.is_cpu()) return 0.0;
  const auto stats = at::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  return static_cast<double>(stats.reserved_bytes.at(0).peak);
}

int serve(const Options& options) {
  const at::Device device = find_device(options.device);
  use_deterministic_operators(device);
  TrainState state;
  state.model = load_hf_model(options.model_folder, device);
  const ModelSpec& spec = state.model->spec();
  const RunConfig config = bench_config(spec, options);
  const MatmulScope matmul(choose_library(config, spec.shape, device));
  fmt::print(stderr, "bench_step: matrix products by {}\n", matmul_library_name());
  const TokenDataset dataset = TokenDataset::open(options.tokens);
  const auto tokenizer = objective_of(spec.shape.architecture) == Objective::kMasked
                             ? load_tokenizer(options.model_folder)
                             : std::unique_ptr<Tokenizer>();
  Run run;
  run.resolved.config = config;
  run.device = device;
  run.workers = single_worker();
  run.train = make_batches(config, dataset, tokenizer.get());
  run.batches = std::make_unique<BatchPrefetcher>(*run.train, options.batch_size);
  run.schedule = std::make_unique<Schedule>(config, spec.shape, run.train->num_sequences());
  run.passes = std::make_unique<TrainingPasses>(
      device, make_pass_options(config, /*training=*/true),
      options.no_graphs ? nullptr : make_device_graph_recorder(device));
  run.optimizer = make_optimizer(config.train);
  run.shards = std::make_unique<Shards>(*run.workers, *run.optimizer, /*shard_optimizer=*/false);
  state.optimizer = run.optimizer->fresh_state(state.model->parameters());
  for (std::string line; std::getline(std::cin, line);) {
    const int64_t num_steps = line.empty() ? 1 : std::stoll(line);
    TokenBatch batch;
    run.train->fill_train(state.position.step * options.batch_size, options.batch_size, batch);
    wait_for(device);
    const auto start = std::chrono::steady_clock::now();
    const StepResult result = train_step(state, run);
    for (int64_t i = 1; i < num_steps; ++i)
      train_step(state, run);
    wait_for(device);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    fmt::print("{}\n", Json{{"loss", result.loss},
                            {"seconds", seconds.count() / static_cast<double>(num_steps)},
                            {"flops", result.flops},
                            {"device_bytes", peak_device_bytes(device)},
                            {"inputs", batch.inputs},
                            {"targets", batch.targets}}
                           .dump());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace apollo

int main(int argc, char** argv) {
  apollo::set_allocator();
  apollo::set_tensor_allocator();
  apollo::Options options;
  CLI::App app("Training steps on request.", "bench_step");
  app.add_option("model", options.model_folder)->required();
  app.add_option("tokens", options.tokens)->required();
  app.add_option("batch_size", options.batch_size)->required();
  app.add_option("threads", options.threads)->required();
  app.add_option("lr", options.lr)->required();
  app.add_option("--matmul", options.matmul);
  app.add_option("--device", options.device);
  app.add_option("--precision", options.precision);
  app.add_option("--kernels", options.kernels);
  app.add_flag("--no-graphs", options.no_graphs);
  CLI11_PARSE(app, argc, argv);
  at::set_num_threads(options.threads);
  return apollo::serve(options);
}
