// Growth in width carried out on tensors, by the integer maps of progressive/width_map.h and what
// each parameter says of its dimensions (Axis). "bert2BERT" (Chen et al., ACL 2022), sections 3.2
// and 3.3:
//
// FPI: an output of a tensor is copied, W'[.., j] = W[.., g(j)]; an input, too, and divided by the
// number of its copies, W'[i, ..] = W[g(i), ..] / C(g(i)), so that sums over inputs stay the same.
// Norms are copied neuron by neuron. The last norm counts as the input of the tied head.
//
// AKI: as FPI, but the added outputs of a layer's matrices and biases are those of the layer above,
// W'_l[.., j] = W_{l+1}[.., g(j)] for j >= S: copies that differ break the symmetry in which copied
// neurons would learn the same. Embeddings, norms, the head and the top layer, which has none
// above it, grow as in FPI. The function is not kept.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "model/model.h"
#include "progressive/width_map.h"

namespace apollo {

enum class WidthRule { kFpi, kAki };

// `value` as a tensor of the larger model by FPI. Any floating type.
at::Tensor grow_tensor(const at::Tensor& value, const std::vector<Axis>& axes,
                       const WidthMaps& maps);
// By AKI; `above`: the same part of the layer above.
at::Tensor grow_tensor(const at::Tensor& value, const at::Tensor& above,
                       const std::vector<Axis>& axes, const WidthMaps& maps);

// A model of `spec` with the layers of `source` made wider. Positions that the source does not have
// keep their initialisation by `seed`. Throws UsageError where the shapes do not follow (see
// source_faults()).
std::unique_ptr<LanguageModel> widen_model(const LanguageModel& source, const ModelSpec& spec,
                                           WidthRule rule, uint64_t seed);

}  // namespace apollo
