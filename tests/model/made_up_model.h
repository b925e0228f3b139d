// Small models whose weights are neither 0 nor 1, and tokens for them.
#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>

#include <memory>

#include "model/model.h"
#include "support/test_device.h"

namespace apollo {

inline ModelSpec small_spec(int64_t final_layers, LayerMapKind kind = LayerMapKind::kInterpolate) {
  ModelSpec spec;
  spec.shape = {Architecture::kGpt2, final_layers,   /*width=*/20,
                /*heads=*/2,         /*context=*/12, /*vocab_size=*/31};
  spec.layer_map = kind;
  return spec;
}

constexpr Architecture kAllArchitectures[] = {Architecture::kGpt2, Architecture::kBert,
                                              Architecture::kLlama, Architecture::kQwen3,
                                              Architecture::kModernBert};

// The same for an architecture; sizes that only some architectures have get unusual values.
inline ModelSpec small_spec_of(Architecture architecture, int64_t final_layers,
                               LayerMapKind kind = LayerMapKind::kInterpolate) {
  ModelSpec spec = small_spec(final_layers, kind);
  const ArchitectureInfo& info = describe(architecture);
  spec.shape.architecture = architecture;
  spec.shape.set_inner_width(info.inner_width(spec.shape.width));
  spec.shape.tied = info.tied;
  spec.norm_epsilon = info.norm_epsilon;
  spec.rope.theta = info.rope_theta;
  spec.local_rope.theta = info.local_rope_theta;
  // The window is smaller than the context, so local blocks do not see all of it.
  if (info.local.window > 0) spec.shape.local = {.window = 2, .global_every = 3};
  if (!info.groups_queries) return spec;
  spec.shape.heads = 4;
  spec.shape.set_kv_heads(2);
  spec.shape.set_head_dim(6);
  return spec;
}

// Returns a model with its initial weights plus noise on every parameter.
inline std::unique_ptr<LanguageModel> random_model(const ModelSpec& spec, int64_t num_layers,
                                                   uint64_t seed = 1) {
  auto model = make_model(spec, num_layers, test_device());
  model->parameters().initialize(seed);
  const at::NoGradGuard no_grad;
  auto random = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (const ParameterSlot& slot : model->parameters().layout().slots()) {
    slot_view(model->parameters().values(), slot)
        .add_(at::empty(slot.spec.shape, at::kFloat).normal_(0.0, 0.2, random).to(test_device()));
  }
  return model;
}

inline at::Tensor random_tokens(const ModelSpec& spec, int64_t rows, int64_t length,
                                uint64_t seed = 3) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::empty({rows, length}, at::kLong)
      .random_(0, spec.shape.vocab_size, random)
      .to(test_device());
}

// Returns a batch with a target at every third position, as for a masked model.
inline DeviceBatch masked_batch(const ModelSpec& spec, int64_t rows, int64_t length) {
  const at::Tensor places =
      at::arange(1, rows * length, 3, at::TensorOptions(test_device()).dtype(at::kLong));
  return {random_tokens(spec, rows, length, 1), random_tokens(spec, 1, places.numel(), 2).flatten(),
          places};
}

inline at::Tensor logits_at(const LanguageModel& model, const at::Tensor& inputs_BT,
                            int64_t depth) {
  const at::NoGradGuard no_grad;
  return model.logits({inputs_BT}, model.blocks(depth), {});
}

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kCPU, at::kDouble) - b.to(at::kCPU, at::kDouble)).abs().max().item<double>();
}

}  // namespace apollo
