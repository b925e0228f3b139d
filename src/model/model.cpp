#include "model/model.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linear.h>

#include <map>
#include <optional>

#include "base/error.h"
#include "base/machine.h"
#include "config/objective.h"
#include "config/value_names.h"
#include "model/models.h"

namespace apollo {
namespace {

void check_sizes(const ModelSpec& spec, int64_t num_layers) {
  const ModelShape& shape = spec.shape;
  if (num_layers < 0 || shape.width < 1 || shape.heads < 1 || shape.context < 1 ||
      shape.vocab_size < 1) {
    fail<UsageError>(
        "model sizes must be positive (got layers {}, width {}, heads {}, context {}, "
        "vocabulary {})",
        num_layers, shape.width, shape.heads, shape.context, shape.vocab_size);
  }
  if (shape.head == 0 && shape.width % shape.heads != 0) {
    fail<UsageError>("heads must divide width (got width {}, heads {})", shape.width, shape.heads);
  }
  if (shape.heads % shape.kv_heads() != 0) {
    fail<UsageError>("heads of keys and values must divide heads (got {} and {})", shape.kv_heads(),
                     shape.heads);
  }
  const bool rotates = describe(shape.architecture).rope_theta > 0.0;
  if (rotates && shape.head_dim() % 2 != 0) {
    fail<UsageError>("rotation takes heads of an even width (got {})", shape.head_dim());
  }
}

// Returns the logits of rows [..., W] in float32. In our own mixed precision the rows are bf16.
at::Tensor all_logits(const at::Tensor& x, const OutputLayer& output) {
  const auto as_read = [](const at::Tensor& weight) {
    if (!in_mixed_precision()) return weight;
    return at::GradMode::is_enabled() ? weight.to(at::kBFloat16) : in_bf16(weight);
  };
  std::optional<at::Tensor> bias;
  if (output.bias_V.defined()) bias = as_read(output.bias_V);
  return at::linear(x, as_read(output.weight_VW), bias).to(at::kFloat);
}

std::map<Architecture, ModelFactory>& factories() {
  static std::map<Architecture, ModelFactory> factories = {
      gpt2_model(), bert_model(), llama_model(), qwen3_model(), modernbert_model()};
  return factories;
}

}  // namespace

void register_model(Architecture architecture, ModelFactory make) {
  factories()[architecture] = make;
}

PassOptions make_pass_options(const RunConfig& config, bool training) {
  return {.training = training, .kernels = config.run.kernels, .precision = config.train.precision};
}

DeviceBatch to_device(const TokenBatch& batch, int64_t first, int64_t rows, at::Device device) {
  const int64_t length = static_cast<int64_t>(batch.inputs.size()) / batch.rows;
  const auto begin = static_cast<size_t>(first * length);
  const auto size = static_cast<size_t>(rows * length);
  const auto copy = [&](const int64_t* tokens, at::IntArrayRef shape) {
    // from_blob only wraps the data; the copy below owns its memory.
    const at::Tensor view = at::from_blob(const_cast<int64_t*>(tokens), shape, at::kLong);
    return view.to(at::TensorOptions(device), /*non_blocking=*/false, /*copy=*/true);
  };
  const auto copy_rows = [&](const std::vector<int64_t>& tokens) {
    return tokens.empty() ? at::Tensor() : copy(tokens.data() + begin, {rows, length});
  };
  DeviceBatch result;
  result.inputs_BT = copy_rows(batch.inputs);
  result.segments_BT = copy_rows(batch.segments);
  result.documents_BT = copy_rows(batch.documents);
  if (batch.targets.empty()) return result;
  std::vector<int64_t> targets, places;
  for (size_t i = 0; i < size; ++i) {
    if (batch.targets[begin + i] == kIgnoredTarget) continue;
    targets.push_back(batch.targets[begin + i]);
    places.push_back(static_cast<int64_t>(i));
  }
  const auto count = static_cast<int64_t>(targets.size());
  result.targets_M = copy(targets.data(), {count});
  if (targets.size() < size) result.target_rows_M = copy(places.data(), {count});
  return result;
}

DeviceBatch to_device(const TokenBatch& batch, at::Device device) {
  return to_device(batch, 0, batch.rows, device);
}

at::Tensor LanguageModel::target_hidden(const DeviceBatch& batch, const LayerMap& blocks,
                                        const PassOptions& options) const {
  const at::Tensor x_NW = hidden(batch, blocks, options).flatten(0, 1);
  return batch.target_rows_M.defined() ? x_NW.index_select(0, batch.target_rows_M) : x_NW;
}

// Returns the rows that the output layer reads, [M, W], in the precision in which it runs.
at::Tensor LanguageModel::output_rows(const DeviceBatch& batch, const LayerMap& blocks,
                                      const PassOptions& options) const {
  return output_transform(target_hidden(batch, blocks, options), options)
      .to(options.precision == Precision::kBf16 ? at::kBFloat16 : at::kFloat);
}

at::Tensor LanguageModel::loss_sum(const DeviceBatch& batch, const LayerMap& blocks,
                                   const PassOptions& options) const {
  const PrecisionScope scope(options.precision, options.kernels, device());
  return linear_cross_entropy(output_rows(batch, blocks, options), output_layer(), batch.targets_M,
                              options.kernels);
}

TargetScores LanguageModel::score_targets(const DeviceBatch& batch, const LayerMap& blocks,
                                          const PassOptions& options) const {
  const at::NoGradGuard no_grad;
  const PrecisionScope scope(options.precision, options.kernels, device());
  return linear_target_scores(output_rows(batch, blocks, options), output_layer(), batch.targets_M);
}

at::Tensor LanguageModel::target_logits(const DeviceBatch& batch, const LayerMap& blocks,
                                        const PassOptions& options) const {
  const PrecisionScope scope(options.precision, options.kernels, device());
  return all_logits(output_rows(batch, blocks, options), output_layer());
}

at::Tensor LanguageModel::logits(const DeviceBatch& batch, const LayerMap& blocks,
                                 const PassOptions& options) const {
  const PrecisionScope scope(options.precision, options.kernels, device());
  const at::Tensor x_BTW = output_transform(hidden(batch, blocks, options), options);
  return all_logits(x_BTW, output_layer());
}

std::unique_ptr<LanguageModel> make_model(const ModelSpec& spec, int64_t num_layers,
                                          at::Device device) {
  check_sizes(spec, num_layers);
  const auto found = factories().find(spec.shape.architecture);
  if (found == factories().end()) {
    fail<UsageError>("architecture '{}' has no model", enum_name(spec.shape.architecture));
  }
  return found->second(spec, num_layers, device);
}

std::vector<ParameterSpec> model_parameters(const ModelSpec& spec, int64_t num_layers) {
  check_sizes(spec, num_layers);
  return describe(spec.shape.architecture).parameters(spec, num_layers);
}

ModelSpec new_model_spec(const RunConfig& config, int64_t vocab_size) {
  ModelSpec spec;
  spec.shape = model_shape(config, vocab_size);
  spec.layer_map = config.progressive.layer_map;
  spec.dropout = config.model.dropout;
  spec.init_std = config.model.init_std;
  spec.norm_epsilon = config.model.norm_epsilon > 0.0
                          ? config.model.norm_epsilon
                          : describe(config.model.architecture).norm_epsilon;
  spec.rope = model_rope(config);
  spec.local_rope = model_local_rope(config);
  return spec;
}

at::Device find_device(const std::string& name, int64_t local_rank) {
  const auto asked = parse_device_name(name);
  if (!asked)
    fail<UsageError>("device '{}' is not known: expected auto, cpu, cuda or cuda:N", name);
  const int64_t num_gpus = at::hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
  const bool takes_cpu = asked->kind == DeviceName::Kind::kCpu ||
                         (asked->kind == DeviceName::Kind::kAuto && num_gpus == 0);
  if (takes_cpu) return at::Device(at::kCPU);
  if (num_gpus == 0) {
    fail<UsageError>(
        "device '{}' was asked for, but this LibTorch finds no GPU; hint: device = "
        "\"cpu\", or a CUDA build of LibTorch (APOLLO_TORCH)",
        name);
  }
  const bool by_rank = name.find(':') == std::string::npos;
  const int64_t index = by_rank ? local_rank : asked->index;
  if (index >= num_gpus && by_rank) {
    fail<UsageError>(
        "device '{}' was asked for, but rank {} of this machine has no GPU of its own: there are "
        "{}; hint: as many processes as GPUs",
        name, local_rank, num_gpus);
  }
  if (index >= num_gpus) {
    fail<UsageError>("device '{}' was asked for, but there are {} GPUs", name, num_gpus);
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

double free_memory_bytes(at::Device device) {
  if (device.is_cpu()) return available_memory_bytes();
  return static_cast<double>(at::accelerator::getMemoryInfo(device.index()).first);
}

double memory_budget_bytes(at::Device device) {
  return 0.5 * free_memory_bytes(device);
}

bool runs_own_mixed_precision(Precision precision, Kernels kernels, at::Device device) {
  return precision == Precision::kBf16 && kernels == Kernels::kFused && device.is_cpu();
}

void check_precision(Precision precision, at::Device device, bool cpu_has_bf16) {
  if (precision != Precision::kBf16 || !device.is_cpu() || cpu_has_bf16) return;
  fail<UsageError>(
      "train.precision = \"bf16\": expected a processor that multiplies bf16 (AVX512_BF16 or AMX), "
      "found {} without; hint: train.precision = \"fp32\", or a GPU",
      processor_name());
}

PrecisionScope::PrecisionScope(Precision precision, Kernels kernels, at::Device device)
    : casts_(precision == Precision::kBf16), device_type_(device.type()) {
  if (runs_own_mixed_precision(precision, kernels, device)) {
    own_.emplace();
    casts_ = false;
  }
  if (!casts_) return;
  at::autocast::set_autocast_enabled(device_type_, true);
  at::autocast::set_autocast_dtype(device_type_, at::kBFloat16);
  at::autocast::increment_nesting();
}

PrecisionScope::~PrecisionScope() {
  if (!casts_) return;
  // The cache holds bf16 copies of the weights, which the next update makes stale.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_type_, false);
}

}  // namespace apollo
