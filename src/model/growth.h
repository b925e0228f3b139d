// Growth carried out on tensors: a buffer of N layers becomes one of N' layers by a layer map.
// The same function moves parameters and both moments of the optimizer.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "model/model.h"

namespace apollo {

// A new buffer of layout `to`: layer i from layer map[i] of `buffer` (layout `from`), all else
// copied. Throws CheckpointError where the two layouts are not of one architecture and width.
at::Tensor grow_buffer(const at::Tensor& buffer, const ParameterLayout& from,
                       const ParameterLayout& to, const LayerMap& map);

// The same model with map.size() unique layers; gradients are zero.
std::unique_ptr<LanguageModel> grow_model(const LanguageModel& model, const LayerMap& map);

}  // namespace apollo
