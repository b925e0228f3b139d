// Growth in width of tensors, by the integer maps of progressive/width_map.h and the axes of each
// parameter (Axis). "bert2BERT" (Chen et al., ACL 2022), sections 3.2 and 3.3:
//
// FPI: an output of a tensor is copied, W'[.., j] = W[.., g(j)]. An input is copied and divided by
// the number of its copies, W'[i, ..] = W[g(i), ..] / C(g(i)), so that sums over inputs stay the
// same. Norms are copied neuron by neuron. The last norm counts as the input of the tied head.
//
// AKI: like FPI, but the added outputs of a layer's matrices and biases come from the layer above,
// W'_l[.., j] = W_{l+1}[.., g(j)] for j >= S. Copies that differ break the symmetry in which copied
// neurons would learn the same thing. Embeddings, norms, the head and the top layer, which has no
// layer above it, grow as in FPI. AKI changes the function.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "model/model.h"
#include "progressive/width_map.h"

namespace apollo {

enum class WidthRule { kFpi, kAki };

// Returns `value` as a tensor of the larger model, by FPI. It may have any floating type.
at::Tensor grow_tensor(const at::Tensor& value, const std::vector<Axis>& axes,
                       const WidthMaps& maps);
// The same by AKI. `above` is the same part of the layer above.
at::Tensor grow_tensor(const at::Tensor& value, const at::Tensor& above,
                       const std::vector<Axis>& axes, const WidthMaps& maps);

// Returns a model of `spec` whose layers are those of `source` made wider. Positions that the
// source does not have keep their initialisation from `seed`. Throws UsageError if the shapes do
// not fit (see source_faults()).
std::unique_ptr<LanguageModel> widen_model(const LanguageModel& source, const ModelSpec& spec,
                                           WidthRule rule, uint64_t seed);

}  // namespace apollo
