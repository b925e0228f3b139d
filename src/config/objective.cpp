#include "config/objective.h"

#include <algorithm>
#include <cmath>

#include "arch/architecture.h"

namespace apollo {

int64_t targets_per_sequence(const RunConfig& config) {
  const int64_t context = config.model.context;
  if (objective_of(config.model.architecture) == Objective::kCausal) return context;
  const double share = config.data.masked_fraction * static_cast<double>(context - 2);
  return std::max<int64_t>(1, std::llround(share));
}

ModelShape model_shape(const RunConfig& config, int64_t vocab_size) {
  const RunConfig::Model& model = config.model;
  const ArchitectureInfo& architecture = describe(model.architecture);
  ModelShape shape = {model.architecture, model.layers,  model.width,
                      model.heads,        model.context, vocab_size};
  shape.set_inner_width(model.inner_width > 0 ? model.inner_width
                                              : architecture.inner_width(model.width));
  if (model.kv_heads > 0) shape.set_kv_heads(model.kv_heads);
  if (model.head_dim > 0) shape.set_head_dim(model.head_dim);
  shape.tied = model.tie_embeddings.value_or(architecture.tied);
  shape.local = architecture.local;
  if (model.local_attention > 0) shape.local.window = model.local_attention / 2;
  if (model.global_attn_every_n_layers > 0)
    shape.local.global_every = model.global_attn_every_n_layers;
  return shape;
}

Rope model_rope(const RunConfig& config) {
  const double theta = describe(config.model.architecture).rope_theta;
  return {.theta = config.model.rope_theta > 0.0 ? config.model.rope_theta : theta};
}

Rope model_local_rope(const RunConfig& config) {
  const double theta = describe(config.model.architecture).local_rope_theta;
  return {.theta = config.model.local_rope_theta > 0.0 ? config.model.local_rope_theta : theta};
}

}  // namespace apollo
