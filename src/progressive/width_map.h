// Which neuron comes from which when a model grows in width, in integers: the mapping functions g
// of "bert2BERT: Towards Reusable Pretrained Language Models" (Chen et al., ACL 2022), section 3.
//
// Neuron j of the larger model is a copy of neuron g(j) = j mod S. The paper draws g(j) at random
// for j >= S; taken in turn, all neurons are copied equally often wherever S divides the new width,
// and then mean and variance over them, and with these every LayerNorm, stay what they were: growth
// keeps the function exactly. The paper passes over that gap. Otherwise norm_gap() bounds it.
//
// Heads are copied whole: their size stays and their number grows, because a score is divided by
// the square root of that size and a softmax runs over each head by itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arch/counts.h"

namespace apollo {

// map[j] is the source of neuron j.
using WidthMap = std::vector<int64_t>;

// g(j) = j mod S, 1 <= source <= target; throws UsageError out of range.
WidthMap duplication_map(int64_t source, int64_t target);

// The maps of one growth. Queries, keys and values have that of the heads.
struct WidthMaps {
  WidthMap residual;
  WidthMap heads;
  WidthMap inner;

  // Whether nothing but the sums' rounding changes.
  bool keeps_function() const;
};

// Why a model of `source` can't become one of `target` by growth of widths alone; empty where it
// can, as where no width differs. An architecture whose parameters have no axes (arch/) grows in
// depth only.
std::string width_growth_fault(const ModelShape& source, const ModelShape& target);

// Throws UsageError where the shapes do not follow: see source_faults().
WidthMaps width_maps(const ModelShape& source, const ModelShape& target);

// How far a LayerNorm's statistics over copied neurons can lie from those over the originals, for
// any activations, with sigma their standard deviation: |mean' - mean| <= mean_shift * sigma, and
// min_scale * sigma <= sigma' <= max_scale * sigma. 0, 1 and 1 where all are copied equally often.
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
