#include "model/model.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/autocast_mode.h>

#include <charconv>

#include "base/error.h"
#include "base/machine.h"
#include "model/gpt2.h"

namespace apollo {
namespace {

void check_sizes(const ModelSpec& spec, int64_t num_layers) {
  const ModelShape& shape = spec.shape;
  if (num_layers < 1 || shape.width < 1 || shape.heads < 1 || shape.context < 1 ||
      shape.vocab_size < 1) {
    fail<UsageError>(
        "model sizes must be positive (got layers {}, width {}, heads {}, context {}, "
        "vocabulary {})",
        num_layers, shape.width, shape.heads, shape.context, shape.vocab_size);
  }
  if (shape.width % shape.heads != 0) {
    fail<UsageError>("heads must divide width (got width {}, heads {})", shape.width, shape.heads);
  }
}

}  // namespace

std::unique_ptr<LanguageModel> make_model(const ModelSpec& spec, int64_t num_layers,
                                          at::Device device) {
  check_sizes(spec, num_layers);
  switch (spec.shape.architecture) {
    case Architecture::kGpt2:
      return make_gpt2(spec, num_layers, device);
    case Architecture::kBert:
      break;
  }
  throw UsageError("architecture 'bert' is not available in this version");
}

std::vector<ParameterSpec> model_parameters(const ModelSpec& spec, int64_t num_layers) {
  check_sizes(spec, num_layers);
  switch (spec.shape.architecture) {
    case Architecture::kGpt2:
      return gpt2_parameters(spec, num_layers);
    case Architecture::kBert:
      break;
  }
  throw UsageError("architecture 'bert' is not available in this version");
}

at::Device find_device(const std::string& name) {
  const int64_t num_gpus = at::hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
  if (name == "cpu" || (name == "auto" && num_gpus == 0)) return at::Device(at::kCPU);
  if (name == "auto") return at::Device(at::kCUDA, 0);
  int index = 0;
  const std::string_view suffix = std::string_view(name).substr(std::min<size_t>(4, name.size()));
  if (!name.starts_with("cuda") ||
      (!suffix.empty() &&
       (suffix[0] != ':' ||
        std::from_chars(suffix.data() + 1, suffix.data() + suffix.size(), index).ptr !=
            suffix.data() + suffix.size()))) {
    fail<UsageError>("device '{}' is not known: expected auto, cpu, cuda or cuda:N", name);
  }
  if (num_gpus == 0) {
    fail<UsageError>(
        "device '{}' was asked for, but this LibTorch finds no GPU; hint: device = "
        "\"cpu\", or a CUDA build of LibTorch (APOLLO_TORCH)",
        name);
  }
  if (index >= num_gpus) {
    fail<UsageError>("device '{}' was asked for, but there are {} GPUs", name, num_gpus);
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

double memory_budget_bytes(at::Device device) {
  // Other processes and the estimate's error want their share.
  constexpr double kShare = 0.5;
  if (device.is_cpu()) return kShare * available_memory_bytes();
  return kShare * static_cast<double>(at::accelerator::getMemoryInfo(device.index()).first);
}

PrecisionScope::PrecisionScope(Precision precision, at::Device device)
    : active_(precision == Precision::kBf16), device_type_(device.type()) {
  if (!active_) return;
  at::autocast::set_autocast_enabled(device_type_, true);
  at::autocast::set_autocast_dtype(device_type_, at::kBFloat16);
  at::autocast::increment_nesting();
}

PrecisionScope::~PrecisionScope() {
  if (!active_) return;
  // The cache holds bf16 copies of the weights, which the next update makes stale.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_type_, false);
}

}  // namespace apollo
