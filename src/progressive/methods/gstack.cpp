// One growth from a quarter of the layers, all of them stacked four times. Du et al., "Stacking
// Your Transformers", NeurIPS 2024: G_stack with the growth factor 4 that they found best. The
// grown model starts with a new optimizer. Their fit of the time to grow
// (log d = 0.88 log N + 163.27 / log C - 5.74 for d tokens, N parameters and C FLOPs) is for models
// from 0.4 G parameters on. Here growth comes after a tenth of the run, as for their 1.1 G model on
// 100 G tokens. The share can be set by its key.
//
// Other sizes use the divisor nearest to L/4.
#include "progressive/methods/registry.h"
#include "progressive/methods/stage_shapes.h"

namespace apollo {

Method gstack_method() {
  return {
      .name = "gstack",
      .summary = "grows once, to four times its layers by stacking",
      .reference = "Stacking Your Transformers (NeurIPS 2024)",
      .fill =
          [](Architecture, int64_t layers) {
            require_layers("gstack", layers, 2);
            RunConfig::Progressive keys;
            keys.stages = stages_that_divide(layers, {{1.0 / 4.0, 10.0}});
            keys.layer_map = LayerMapKind::kStack;
            keys.depth_sampler = DepthSamplerKind::kShallowest;
            keys.optimizer_state = OptimizerStateRule::kReset;
            return keys;
          },
  };
}

}  // namespace apollo
