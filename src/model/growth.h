// Growth carried out on tensors: a buffer of N layers becomes one of N' layers by a layer map.
// The same function moves parameters and both moments of the optimizer.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "model/model.h"

namespace apollo {

// A new buffer of layout `to`: layer i from layer map[i] of `buffer` (layout `from`), zeros for
// kFresh, all else copied. Throws CheckpointError where the two layouts are not of one architecture
// and width.
at::Tensor grow_buffer(const at::Tensor& buffer, const ParameterLayout& from,
                       const ParameterLayout& to, const LayerMap& map);
// Only `part` of that buffer: [part.size()].
at::Tensor grow_buffer(const at::Tensor& buffer, const ParameterLayout& from,
                       const ParameterLayout& to, const LayerMap& map, ElementRange part);

// The same into `grown`, a buffer of layout `to`, which keeps what it has in kFresh layers.
void fill_grown(const at::Tensor& buffer, const ParameterLayout& from, const at::Tensor& grown,
                const ParameterLayout& to, const LayerMap& map);

// What becomes of the layers that growth adds: added_layers(map).
struct AddedLayers {
  // copy: they stay copies. identity: those of their tensors that end a residual branch are zero,
  // so that a block of GPT-2 adds nothing and the function at the models' own depths is the same
  // to the bit; a BERT still normalises behind the block, and of a ModernBERT that holds where old
  // layers come to places of their kind, local or global. random: map must have no copies
  // (without_copies()), and kFresh layers start as those of a new model do.
  NewLayers kind = NewLayers::kCopy;
  uint64_t seed = 0;  // of fresh layers
};

// The same model with map.size() unique layers; gradients are zero.
std::unique_ptr<LanguageModel> grow_model(const LanguageModel& model, const LayerMap& map,
                                          const AddedLayers& added = {});

}  // namespace apollo
