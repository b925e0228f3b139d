// LIDAS: MIDAS (midas.cpp) with the layers in the exact middle instead of the middle block; the two
// differ if the number of blocks is even. Kapl et al., "Do Depth-Grown Models Overcome the Curse of
// Depth?", 2025. The stages are those of midas.
#include "progressive/methods/registry.h"
#include "progressive/methods/stage_shapes.h"

namespace apollo {

Method lidas_method() {
  return {
      .name = "lidas",
      .summary = "grows in equal steps by a copy of the layers in the exact middle",
      .reference = "Do Depth-Grown Models Overcome the Curse of Depth? (2025)",
      .fill =
          [](Architecture, int64_t layers) {
            require_layers("lidas", layers, 2);
            RunConfig::Progressive keys;
            keys.stages = stages_of_equal_steps(layers, /*wanted=*/6, /*power=*/2.0);
            keys.layer_map = LayerMapKind::kMiddle;
            keys.depth_sampler = DepthSamplerKind::kShallowest;
            keys.optimizer_state = OptimizerStateRule::kTransport;
            return keys;
          },
  };
}

}  // namespace apollo
