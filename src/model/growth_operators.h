// Growth by learned linear operators: "Learning to Grow Pretrained Models for Efficient Transformer
// Training" (LiGO; Wang et al., ICLR 2023), section 3 and equation 8. Every parameter of the larger
// model is a linear function of those of the smaller:
//
//   W'_i = sum_j w_ij B W_j A^T,    B over outputs, A over inputs, w over the smaller model's
//   layers.
//
// Operators are shared by all layers and tied as in the paper's section 3.3: one matrix for the
// residual stream (embeddings, outputs of both branches, norms, inputs of both branches and of
// the head), one each for queries, keys and values (that of values also for the inputs of the
// output projection) and one for the MLP's inside. Each module has its own w; queries, keys and
// values, which are one parameter here, have one together.
//
// Where a matrix B serves inputs, A = B diag(1/C) in place of the paper's A = B: C, the number of
// copies of each neuron by the maps of width_map.h, is fixed. The family of functions is the same,
// and B = those maps, w = a layer map, is then exactly growth by FPI and depth: learning starts
// there.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "model/model.h"
#include "progressive/width_map.h"

namespace apollo {

class GrowthOperators {
 public:
  // Operators from `source`, which must outlive them, to `spec` with layers.size() layers, that
  // grow as FPI and `layers` do. Positions that the source does not have get their
  // initialisation by `seed`. Throws UsageError where the shapes do not follow.
  GrowthOperators(const LanguageModel& source, const ModelSpec& spec, const LayerMap& layers,
                  uint64_t seed);

  // The operators themselves: what is learned.
  ParameterSet& parameters() { return operators_; }

  // The larger model's parameters in its layout, [total_size], as a function of the operators in
  // the graph of autograd.
  at::Tensor expand() const;

 private:
  at::Tensor width_operator(const Axis& axis) const;
  at::Tensor widen(const at::Tensor& values, const std::vector<Axis>& axes) const;
  at::Tensor expand_part(const ParameterSpec& spec) const;

  const LanguageModel& source_;
  ParameterSet target_;  // its initial values
  WidthMaps maps_;
  ParameterSet operators_;
};

}  // namespace apollo
