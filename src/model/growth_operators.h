// Growth by learned linear operators: "Learning to Grow Pretrained Models for Efficient Transformer
// Training" (LiGO; Wang et al., ICLR 2023), section 3 and equation 8. Every parameter of the larger
// model is a linear function of the smaller model's:
//
//   W'_i = sum_j w_ij B W_j A^T,   B for outputs, A for inputs, w for the smaller model's layers.
//
// All layers share the operators, which are tied as in section 3.3 of the paper: one matrix for the
// residual stream (embeddings, outputs of both branches, norms, inputs of both branches and of the
// head), one each for queries, keys and values, and one for the MLP's hidden layer. The matrix of
// the values also serves the inputs of the output projection. Each module has its own w; queries,
// keys and values, which are one parameter here, share one.
//
// Where a matrix B serves inputs, we use A = B diag(1/C) instead of the paper's A = B. C, the
// number of copies of each neuron by the maps of width_map.h, is fixed. The family of functions is
// the same, and with B equal to those maps and w equal to a layer map it is exactly growth by FPI
// and depth. Learning starts there.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "model/model.h"
#include "progressive/width_map.h"

namespace apollo {

class GrowthOperators {
 public:
  // Creates operators from `source`, which must outlive them, to `spec` with layers.size() layers.
  // They start as growth by FPI and `layers`. Positions that the source does not have are
  // initialised from `seed`. Throws UsageError if the shapes do not fit.
  GrowthOperators(const LanguageModel& source, const ModelSpec& spec, const LayerMap& layers,
                  uint64_t seed);

  // The operators themselves, which are what is learned.
  ParameterSet& parameters() { return operators_; }

  // Returns the larger model's parameters in its layout, [total_size], as a differentiable function
  // of the operators.
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
