// Apollo: a model with few layers rehearses, by sharing their weights, the work of the layers to
// come. Stages and ends are the paper's: 1, 3, 6, 12 layers up to epochs 2, 4, 10 and 40 of 40.
//
// Other sizes use the same shares L/12, L/4, L/2, L, rounded so that each stage divides the next
// and growth is exact (the nesting theorem, layer_map.h). 24: 2 6 12 24. 18: 1 3 9 18. 10: 1 5 10.
// A prime grows from 1 at once.
#include "progressive/methods/registry.h"
#include "progressive/methods/stage_shapes.h"

namespace apollo {

Method apollo_method() {
  return {
      .name = "apollo",
      .summary = "grows in stages while shared layers rehearse the depth to come (LVPS)",
      .reference = "Preparing Lessons for Progressive Training on Language Models (AAAI 2024)",
      .fill =
          [](Architecture, int64_t layers) {
            RunConfig::Progressive keys;
            keys.stages = stages_that_divide(
                layers, {{1.0 / 2.0, 25.0}, {1.0 / 4.0, 10.0}, {1.0 / 12.0, 5.0}});
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
