// MIDAS: gradual stacking in equal steps, each of which repeats the block in the middle. Saunshi et
// al., "On the Inductive Bias of Stacking Towards Improving Reasoning", NeurIPS 2024. With k stages
// that each add b = L/k layers, stage i lasts a share of the run proportional to i^2 (their
// schedule Prop-2). 24 layers grow in 6 steps of 4; other sizes use the number of equal steps that
// is nearest to 6. Moments move with the layers; the paper does not say.
#include "progressive/methods/registry.h"
#include "progressive/methods/stage_shapes.h"

namespace apollo {

Method midas_method() {
  return {
      .name = "midas",
      .summary = "grows in equal steps by a copy of the middle block",
      .reference = "On the Inductive Bias of Stacking Towards Improving Reasoning (NeurIPS 2024)",
      .fill =
          [](Architecture, int64_t layers) {
            require_layers("midas", layers, 2);
            RunConfig::Progressive keys;
            keys.stages = stages_of_equal_steps(layers, /*wanted=*/6, /*power=*/2.0);
            keys.layer_map = LayerMapKind::kMiddleBlock;
            keys.depth_sampler = DepthSamplerKind::kShallowest;
            keys.optimizer_state = OptimizerStateRule::kTransport;
            return keys;
          },
  };
}

}  // namespace apollo
