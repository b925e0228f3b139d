// Multi-stage layerwise training: a quarter of the layers at a time, each upon frozen ones.
// Yang et al., "Progressively Stacking 2.0: A Multi-stage Layerwise Training Method for BERT
// Training Speedup", 2020. Growth copies the top layers onto the top; only they and the output head
// train, the others and the embedding only run forward, and a last stage trains all layers
// jointly. That stage is a second one of L layers: with trains = "new" the first and the last stage
// train all, those between what the last growth added. Four partial stages and the joint one last a
// fifth of the run each (the shares are free keys).
//
// The moments of old layers wait in their places, new layers start without (optimizer_state
// "keep").
#include "progressive/methods/registry.h"
#include "progressive/methods/stage_shapes.h"

namespace apollo {

Method mslt_method() {
  return {
      .name = "mslt",
      .summary =
          "adds copies of the top layers and trains only these and the head, all in the last stage",
      .reference = "Progressively Stacking 2.0 (2020)",
      .fill =
          [](Architecture, int64_t layers) {
            require_layers("mslt", layers, 2);
            RunConfig::Progressive keys;
            keys.stages = stages_of_equal_steps(layers, /*wanted=*/4, /*power=*/0.0);
            const double num_stages = static_cast<double>(keys.stages.size());
            for (size_t i = 0; i < keys.stages.size(); ++i) {
              const double end = 100.0 * static_cast<double>(i + 1) / (num_stages + 1.0);
              keys.stages[i].until = Duration{end, DurationUnit::kPercentSteps};
            }
            keys.stages.push_back({.layers = layers});
            keys.layer_map = LayerMapKind::kStack;
            keys.trains = Trains::kNew;
            keys.depth_sampler = DepthSamplerKind::kShallowest;
            keys.optimizer_state = OptimizerStateRule::kKeep;
            return keys;
          },
  };
}

}  // namespace apollo
