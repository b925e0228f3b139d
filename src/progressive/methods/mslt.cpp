// Multi-stage layerwise training: a quarter of the layers at a time, each on top of frozen ones.
// Yang et al., "Progressively Stacking 2.0: A Multi-stage Layerwise Training Method for BERT
// Training Speedup", 2020. Growth copies the top layers onto the top. Only the copies and the
// output head train; the other layers and the embedding only run forward. A last stage trains all
// layers jointly. It is a second stage of L layers: with trains = "new" the first and the last
// stage train everything, and the stages between train what the last growth added. Four partial
// stages and the joint one last a fifth of the run each (the shares can be set by their keys).
//
// The moments of old layers wait in their places, and new layers start without moments
// (optimizer_state "keep").
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
