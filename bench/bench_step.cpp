// Runs training steps on request, so that a script can measure them in turn with those of another
// program on the same weights and batches. Each line read from stdin runs one step; its answer is
// one JSON line with the batch, the loss, the FLOPs and the seconds of the step.
//
//   bench_step MODEL_FOLDER TOKENS.bin BATCH_SIZE THREADS LR [MATMUL]
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include "base/allocator.h"
#include "base/json_lines.h"
#include "config/enum_names.h"
#include "data/batches.h"
#include "model/hf_folder.h"
#include "ops/matmul.h"
#include "ops/tensor_allocator.h"
#include "train/train_step.h"

namespace apollo {
namespace {

RunConfig bench_config(const ModelSpec& spec, int64_t batch_size, double lr) {
  RunConfig config;
  config.model.architecture = spec.shape.architecture;
  config.model.layers = spec.shape.layers;
  config.model.context = spec.shape.context;
  config.train.duration = {1e6, DurationUnit::kSteps};
  config.train.batch_size = batch_size;
  config.train.micro_batch_size = batch_size;
  config.train.lr = lr;
  config.train.lr_schedule = LrSchedule::kConstant;
  config.progressive.method = "scratch";
  config.progressive.stages = {{spec.shape.layers, std::nullopt}};
  return config;
}

int serve(const char* model_folder, const char* tokens, int64_t batch_size, double lr) {
  TrainState state;
  state.model = load_hf_model(model_folder, at::Device(at::kCPU));
  state.optimizer = make_adamw_state(state.model->parameters());
  const ModelSpec& spec = state.model->spec();
  const RunConfig config = bench_config(spec, batch_size, lr);
  const TokenDataset dataset = TokenDataset::open(tokens);
  const auto tokenizer = spec.shape.architecture == Architecture::kBert
                             ? load_tokenizer(model_folder)
                             : std::unique_ptr<Tokenizer>();
  const auto data = make_batches(config, dataset, tokenizer.get());
  const Schedule schedule(config, spec.shape, data->num_sequences());
  BatchPrefetcher prefetcher(*data, batch_size);
  const StepContext context{config,
                            schedule,
                            prefetcher,
                            LrCurve{LrSchedule::kConstant, lr, 0.0, 0.0, 0.0},
                            AdamWOptions{.weight_decay = config.train.weight_decay},
                            PassOptions{.training = true}};
  for (std::string line; std::getline(std::cin, line);) {
    TokenBatch batch;
    data->fill_train(state.position.step * batch_size, batch_size, batch);
    const auto start = std::chrono::steady_clock::now();
    const StepResult result = train_step(state, context);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    fmt::print("{}\n", Json{{"loss", result.loss},
                            {"seconds", seconds.count()},
                            {"flops", result.flops},
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
  if (argc != 6 && argc != 7) {
    fmt::print(stderr,
               "usage: bench_step MODEL_FOLDER TOKENS.bin BATCH_SIZE THREADS LR [MATMUL]\n");
    return 2;
  }
  at::set_num_threads(std::atoi(argv[4]));
  if (argc == 7) {
    apollo::set_matmul_library(apollo::parse_enum<apollo::MatmulLibrary>(argv[6], "MATMUL"));
  }
  fmt::print(stderr, "bench_step: matrix products by {}\n", apollo::matmul_library_name());
  return apollo::serve(argv[1], argv[2], std::atoll(argv[3]), std::atof(argv[5]));
}
