// Apollo: few layers that rehearse, by sharing their weights, the work of the layers to come.
// Stages and ends are those of the paper: 1, 3, 6, 12 layers until 2, 4, 10, 40 of 40 epochs.
//
// Other sizes follow the same shares L/12, L/4, L/2, L, rounded so that each stage divides the next
// and growth is exact (the nesting theorem, layer_map.h): from the top down, each stage has that
// divisor of the next stage's number which is nearest to its share, the smaller of two equally
// near. Stages that fall together are one, with the later end. 24: 2 6 12 24. 18: 1 3 9 18.
// 10: 1 5 10. A prime grows from 1 at once.
#include <algorithm>
#include <cmath>
#include <vector>

#include "progressive/methods/registry.h"

namespace apollo {

namespace {

struct Share {
  double of_layers;
  double until_percent;
};

constexpr Share kShares[] = {{1.0 / 2.0, 25.0}, {1.0 / 4.0, 10.0}, {1.0 / 12.0, 5.0}};

// The divisor of `number`, at most `largest`, that is nearest to `wanted`.
int64_t nearest_divisor(int64_t number, double wanted, int64_t largest) {
  int64_t best = 1;
  for (int64_t divisor = 2; divisor <= largest; ++divisor) {
    if (number % divisor != 0) continue;
    if (std::abs(divisor - wanted) < std::abs(best - wanted)) best = divisor;
  }
  return best;
}

std::vector<StageSpec> apollo_stages(int64_t layers) {
  std::vector<StageSpec> stages = {{.layers = layers, .until = {}}};
  for (const Share& share : kShares) {
    const int64_t next = stages.back().layers;
    const int64_t largest = next == layers ? layers - 1 : next;
    const int64_t count = nearest_divisor(next, share.of_layers * layers, largest);
    if (count == next) continue;
    stages.push_back({count, Duration{share.until_percent, DurationUnit::kPercent}});
  }
  std::reverse(stages.begin(), stages.end());
  return stages;
}

}  // namespace

Method apollo_method() {
  return {
      .name = "apollo",
      .summary = "grows in stages while shared layers rehearse the depth to come (LVPS)",
      .reference = "Preparing Lessons for Progressive Training on Language Models (AAAI 2024)",
      .fill =
          [](int64_t layers) {
            RunConfig::Progressive keys;
            keys.stages = apollo_stages(layers);
            keys.layer_map = LayerMapKind::kInterpolate;
            keys.depth_sampler = DepthSamplerKind::kLvps;
            keys.depth_draw = DepthDraw::kStep;
            keys.rehearse_from = 0.0;
            keys.optimizer_state = OptimizerStateRule::kTransport;
            return keys;
          },
  };
}

}  // namespace apollo
