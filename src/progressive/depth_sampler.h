// How deep one pass is: N <= D <= L, with N unique layers in the stage and L in the final model.
//
// lvps (low-value-prioritised sampling, AAAI 2024, eq. 3-5): with ratio = L/N, b = ratio + 0.4,
// e = 0.6, x0 = 1e-6, n = (b*x0 - e)/(e - b), m = e*(n + 1): x ~ U(x0, 1),
// y = clip(m/(x + n), 1, ratio), D = floor(y*N); that is P(D >= d) = clip(m*N/d - n, 0, 1), d > N.
// uniform: over N..L. sigmoid: y = (b - e)/(1 + exp(20*(x - .5))) + e, clipped alike. deepest: L.
// shallowest: N.
#pragma once

#include <cstdint>
#include <vector>

#include "config/run_config.h"

namespace apollo {

class DepthDistribution {
 public:
  // 1 <= unique <= layers; throws UsageError otherwise.
  DepthDistribution(DepthSamplerKind kind, int64_t unique, int64_t layers);

  int64_t min_depth() const { return unique_; }
  int64_t max_depth() const { return layers_; }
  // P(D = depth), in closed form; 0 outside N..L.
  double probability(int64_t depth) const;
  double mean() const;
  // The depth for one uniform number in [0, 1), by the sampler's own formula.
  int64_t depth_at(double uniform) const;

 private:
  DepthSamplerKind kind_;
  int64_t unique_;
  int64_t layers_;
  std::vector<double> probability_;  // of N, N + 1, ..., L
};

// One draw, keyed by (seed, step, micro_step) and nothing else.
int64_t draw_depth(const DepthDistribution& distribution, uint64_t seed, int64_t step,
                   int64_t micro_step);

}  // namespace apollo
