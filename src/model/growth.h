// Growth of tensors: a buffer of N layers becomes one of N' layers by a layer map. The same
// function moves parameters and the moments of the optimizer.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "model/model.h"

namespace apollo {

// Returns a new buffer of layout `to`: layer i comes from layer map[i] of `buffer` (layout `from`),
// kFresh layers are zero, and everything else is copied. Throws CheckpointError if the two layouts
// differ in architecture or width.
at::Tensor grow_buffer(const at::Tensor& buffer, const ParameterLayout& from,
                       const ParameterLayout& to, const LayerMap& map);
// The same for only `part` of the new buffer: [part.size()].
at::Tensor grow_buffer(const at::Tensor& buffer, const ParameterLayout& from,
                       const ParameterLayout& to, const LayerMap& map, ElementRange part);

// Writes the same into `grown`, a buffer of layout `to`, whose kFresh layers keep their content.
void fill_grown(const at::Tensor& buffer, const ParameterLayout& from, const at::Tensor& grown,
                const ParameterLayout& to, const LayerMap& map);

// What becomes of the layers that growth adds, which are those of added_layers(map).
struct AddedLayers {
  // copy: they stay copies. identity: their tensors that end a residual branch become zero, so that
  // a block of GPT-2 adds nothing and the function at the models' own depths stays the same to the
  // bit. BERT still normalises after such a block. For ModernBERT the function stays only if old
  // layers come to places of their kind, local or global. random: `map` must have no copies
  // (without_copies()), and kFresh layers start like those of a new model.
  NewLayers kind = NewLayers::kCopy;
  uint64_t seed = 0;  // for fresh layers
};

// Returns the same model with map.size() unique layers; its gradients are zero.
std::unique_ptr<LanguageModel> grow_model(const LanguageModel& model, const LayerMap& map,
                                          const AddedLayers& added = {});

}  // namespace apollo
