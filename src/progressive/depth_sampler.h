// How deep one pass is: N <= D <= L, with N unique layers in the stage and L in the final model.
//
// lvps (low-value-prioritised sampling, AAAI 2024, eq. 3-5): with ratio = L/N, b = ratio + 0.4,
// e = 0.6, x0 = 1e-6, n = (b*x0 - e)/(e - b), m = e*(n + 1): x ~ U(x0, 1),
// y = clip(m/(x + n), 1, ratio), D = floor(y*N). sigmoid: y = (b - e)/(1 + exp(20*(x - .5))) + e,
// clipped alike. uniform: over N..L. deepest: L. shallowest: N.
//
// y falls with x, so D >= d exactly where x <= x(d), the formula solved for x: for lvps
// x(d) = m*N/d - n. The class keeps P(D >= d) = clip((x(d) - x0)/(1 - x0), 0, 1) for d > N, and
// draws by comparing with it. So draws follow the closed form by construction, and floor(ratio*N)
// in floating point, which can be L - 1, is never computed.
#pragma once

#include <cstdint>
#include <vector>

#include "config/run_config.h"
#include "progressive/layer_map.h"

namespace apollo {

class DepthDistribution {
 public:
  // 0 <= unique <= layers; throws UsageError otherwise. 0 layers always run at depth 0.
  DepthDistribution(DepthSamplerKind kind, int64_t unique, int64_t layers);

  int64_t min_depth() const { return unique_; }
  int64_t max_depth() const { return layers_; }
  // P(D = depth), in closed form; 0 outside N..L.
  double probability(int64_t depth) const;
  // P(D >= depth): 1 up to N, 0 above L.
  double tail(int64_t depth) const;
  double mean() const;
  // The depth for one uniform number in [0, 1); small numbers are deep, as in the formulas.
  int64_t depth_at(double uniform) const;
  // True where every draw is the same.
  bool fixed() const;

 private:
  int64_t unique_;
  int64_t layers_;
  std::vector<double> tail_;  // P(D >= d) of d = N + 1, ..., L; never rises
};

// One draw, keyed by (seed, step, micro_step) and nothing else.
int64_t draw_depth(const DepthDistribution& distribution, uint64_t seed, int64_t step,
                   int64_t micro_step);

// The layers of a subnetwork of `depth` of `layers` layers, ascending: the first and the last, and
// with equal probability any of those between (RaPTr, Panigrahi et al. 2024). Keyed alike;
// 2 <= depth <= layers.
LayerMap random_subnetwork(int64_t layers, int64_t depth, uint64_t seed, int64_t step,
                           int64_t micro_step);

// The number in [0, 1) of draw `index` (from 0) where every window of `window` successive draws
// has one in each of `window` equal strata, in an order of its own keyed by (seed, window): each
// draw follows the uniform law, their mean over a window varies less.
double stratified_uniform(uint64_t seed, int64_t index, int64_t window);

}  // namespace apollo
