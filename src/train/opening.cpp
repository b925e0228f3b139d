#include "train/opening.h"

#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/allocator.h"
#include "base/log.h"
#include "base/units.h"
#include "config/enum_names.h"
#include "train/beginning.h"
#include "train/run_log.h"

namespace apollo {
namespace {

// How a thread waits for the others, which libgomp reads when it is loaded (cli/main.cpp).
std::string waiting_of_threads() {
  for (const char* name : {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}) {
    if (const char* value = std::getenv(name)) {
      return fmt::format("threads wait by {}={}", name, value);
    }
  }
  return "threads wait as libgomp sets it";
}

std::string how_passes_run(const Run& run) {
  if (run.device.is_cpu()) {
    return run.config().train.precision == Precision::kBf16
               ? "matrix products in bf16 by LibTorch's oneDNN"
               : "matrix products by " + run.identity.matmul;
  }
  return run.passes->records() ? "passes recorded as CUDA graphs" : "passes launched by operator";
}

}  // namespace

void log_opening(const Run& run) {
  const ModelShape& shape = run.model.shape;
  log_info("{}: {} layers, width {}, heads {}, context {}, vocabulary {}: {} parameters",
           enum_name(shape.architecture), shape.layers, shape.width, shape.heads, shape.context,
           shape.vocab_size,
           format_count(static_cast<double>(num_parameters(shape, shape.layers))));
  log_info("data: {} training tokens, {} validation tokens",
           format_count(static_cast<double>(run.data.train->size())),
           run.data.valid ? format_count(static_cast<double>(run.data.valid->size())) : "no");
  log_info("device {}, {} threads, {} kernels, {}, LibTorch {}", run.device.str(),
           run.config().run.threads, enum_name(run.config().run.kernels), how_passes_run(run),
           APOLLO_TORCH_VERSION);
  log_detail("allocator: {}; {}", allocator_settings(), waiting_of_threads());
  for (const Schedule::StageSummary& stage : run.schedule->summaries()) {
    log_info("stage of {:>2} layers: steps {} to {}, mean depth {:.2f}, {}", stage.layers,
             stage.first_step, stage.first_step + stage.num_steps, stage.mean_depth,
             format_flops(stage.flops));
  }
  if (run.resumes) {
    log_info("resumed at step {}: stage {}, {} layers", run.state.position.step,
             run.state.stage.index + 1, run.state.model->num_layers());
  }
}

StartRow start_row(const Run& run, std::string energy_source) {
  const RunConfig& config = run.config();
  const ModelShape& shape = run.model.shape;
  StartRow row{.time = utc_time(),
               .version = APOLLO_VERSION,
               .torch = APOLLO_TORCH_VERSION,
               .name = config.run.name,
               .method = config.progressive.method,
               .architecture = std::string(enum_name(shape.architecture)),
               .layers = shape.layers,
               .width = shape.width,
               .heads = shape.heads,
               .context = shape.context,
               .vocab_size = shape.vocab_size,
               .parameters = num_parameters(shape, shape.layers),
               .batch_size = config.train.batch_size,
               .micro_batch_size = config.train.micro_batch_size,
               .tokens_per_step = config.train.batch_size * shape.context,
               .total_steps = run.schedule->total_steps(),
               .total_flops = total_flops(run.state.before, *run.schedule),
               .seed = config.run.seed,
               .device = run.device.str(),
               .threads = config.run.threads,
               .precision = std::string(enum_name(config.train.precision)),
               .optimizer = run.optimizer->name(),
               .kernels = std::string(enum_name(config.run.kernels)),
               .matmul = run.identity.matmul,
               .peak_flops_per_s = run.peak_flops_per_second,
               .train_data = run.identity.train_data,
               .valid_data = run.identity.valid_data,
               .evaluated = "spread",
               .tokenizer = run.identity.tokenizer_hash,
               .energy_source = std::move(energy_source)};
  describe_source(run.beginning, config, row);
  return row;
}

}  // namespace apollo
