// Which neuron comes from which when a model grows in width, as integers: the mapping functions g
// of "bert2BERT: Towards Reusable Pretrained Language Models" (Chen et al., ACL 2022), section 3.
//
// Neuron j of the larger model is a copy of neuron g(j) = j mod S. The paper draws g(j) at random
// for j >= S. Taken in turn, all neurons are copied equally often if S divides the new width. Then
// their mean and variance, and so every LayerNorm, stay the same, and growth keeps the function
// exactly. The paper does not discuss this gap. If S does not divide the width, norm_gap() bounds
// the error.
//
// Heads are copied whole. Their size stays and their number grows, because a score is divided by
// the square root of that size and each head has a softmax of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arch/counts.h"

namespace apollo {

// map[j] is the source of neuron j.
using WidthMap = std::vector<int64_t>;

// Returns g(j) = j mod S, 1 <= source <= target; throws UsageError out of range.
WidthMap duplication_map(int64_t source, int64_t target);

// The maps of one growth. Queries, keys and values use the map of the heads.
struct WidthMaps {
  WidthMap residual;
  WidthMap heads;
  WidthMap inner;

  // Whether the function changes only by rounding of sums.
  bool keeps_function() const;
};

// Returns why a model of `source` cannot become one of `target` by growth in width only; empty if
// it can, or if no width differs. An architecture whose parameters have no axes (arch/) grows only
// in depth.
std::string width_growth_fault(const ModelShape& source, const ModelShape& target);

// Throws UsageError if the shapes do not fit; see source_faults().
WidthMaps width_maps(const ModelShape& source, const ModelShape& target);

// Bounds how far a LayerNorm's statistics over copied neurons can lie from those over the
// originals, for any activations with standard deviation sigma:
// |mean' - mean| <= mean_shift * sigma, and min_scale * sigma <= sigma' <= max_scale * sigma. The
// three numbers are 0, 1 and 1 if all neurons are copied equally often.
//
// With p_i the share of copies of neuron i of S: mean' - mean = sum_i (p_i - 1/S) (x_i - mean),
// which Cauchy-Schwarz bounds by sqrt(S sum_i (p_i - 1/S)^2) sigma; and sigma'^2 = sum_i p_i
// (x_i - mean)^2 - (mean' - mean)^2.
struct NormGap {
  double mean_shift = 0.0;
  double min_scale = 1.0;
  double max_scale = 1.0;
};
NormGap norm_gap(const WidthMap& map);

}  // namespace apollo
