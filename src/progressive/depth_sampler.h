// The depth D of one pass: N <= D <= L, with N unique layers in the stage and L in the final model.
//
// lvps (low-value-prioritised sampling, AAAI 2024, eq. 3-5): with ratio = L/N, b = ratio + 0.4,
// e = 0.6, x0 = 1e-6, n = (b*x0 - e)/(e - b), m = e*(n + 1): x ~ U(x0, 1),
// y = clip(m/(x + n), 1, ratio), D = floor(y*N). sigmoid: y = (b - e)/(1 + exp(20*(x - .5))) + e,
// clipped alike. uniform: over N..L. deepest: L. shallowest: N.
//
// y falls with x, so D >= d exactly if x <= x(d), where x(d) solves the formula for x; for lvps
// x(d) = m*N/d - n. The class keeps P(D >= d) = clip((x(d) - x0)/(1 - x0), 0, 1) for d > N and
// draws by comparing with it. So draws follow the closed form by construction, and floor(ratio*N),
// which in floating point can be L - 1, is never computed.
#pragma once

#include <cstdint>
#include <vector>

#include "config/run_config.h"
#include "progressive/layer_map.h"

namespace apollo {

class DepthDistribution {
 public:
  // Requires 0 <= unique <= layers; throws UsageError otherwise. 0 layers always run at depth 0.
  DepthDistribution(DepthSamplerKind kind, int64_t unique, int64_t layers);

  int64_t min_depth() const { return unique_; }
  int64_t max_depth() const { return layers_; }
  // Returns P(D = depth) in closed form; 0 outside N..L.
  double probability(int64_t depth) const;
  // Returns P(D >= depth): 1 up to N, 0 above L.
  double tail(int64_t depth) const;
  double mean() const;
  // Returns the depth for a uniform number in [0, 1). Small numbers give deep passes, as in the
  // formulas.
  int64_t depth_at(double uniform) const;
  // Whether every draw is the same.
  bool fixed() const;

 private:
  int64_t unique_;
  int64_t layers_;
  std::vector<double> tail_;  // P(D >= d) for d = N + 1, ..., L; it never rises
};

// Draws one depth, which depends only on (seed, step, micro_step).
int64_t draw_depth(const DepthDistribution& distribution, uint64_t seed, int64_t step,
                   int64_t micro_step);

// Returns the layers of a random subnetwork of `depth` out of `layers` layers, ascending: the
// first, the last, and any of those between with equal probability (RaPTr, Panigrahi et al. 2024).
// It is keyed like draw_depth(); 2 <= depth <= layers.
LayerMap random_subnetwork(int64_t layers, int64_t depth, uint64_t seed, int64_t step,
                           int64_t micro_step);

// Returns number `index` (from 0) of a stratified sequence in [0, 1). Each window of `window`
// successive numbers has one in each of `window` equal strata, in an order keyed by (seed, number
// of the window). Each number is uniform by itself, but the mean over a window varies less.
double stratified_uniform(uint64_t seed, int64_t index, int64_t window);

}  // namespace apollo
