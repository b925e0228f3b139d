// Progressive stacking: a model is put on top of itself whenever it has trained long enough. Gong
// et al., "Efficient Training of BERT by Progressively Stacking", ICML 2019: 3, 6 and 12 layers up
// to 50,000, 120,000 and 400,000 steps, with a new optimizer each time, as in the authors'
// published script. Theirs lowers the learning rate along one line over all stages.
//
// Other sizes: L/4, L/2, L, each dividing the next.
#include "progressive/methods/registry.h"
#include "progressive/methods/stage_shapes.h"

namespace apollo {

Method stackbert_method() {
  return {
      .name = "stackbert",
      .summary = "doubles by putting copies of all layers on top, without sharing",
      .reference = "Efficient Training of BERT by Progressively Stacking (ICML 2019)",
      .fill =
          [](Architecture, int64_t layers) {
            require_layers("stackbert", layers, 2);
            RunConfig::Progressive keys;
            keys.stages = stages_that_divide(layers, {{1.0 / 2.0, 30.0}, {1.0 / 4.0, 12.5}});
            keys.layer_map = LayerMapKind::kStack;
            keys.depth_sampler = DepthSamplerKind::kShallowest;
            keys.optimizer_state = OptimizerStateRule::kReset;
            return keys;
          },
  };
}

}  // namespace apollo
