// Apollo+: Apollo's stages, maps and exact growth, with what paid in our own trials
// (docs/results/methods.md): stages that last longer, rehearsal only before growth, and a learning
// rate that follows the compute instead of the steps.
//
//   * A shallow stage is cheap, so it can be long: stages end at 15, 40 and 70 % of the run.
//   * Shared passes are dearer than shallow ones and serve only the growth that follows: they are
//     drawn in the last fifth of each stage. Growth stays exact.
//   * Steps of shallow stages are many and cheap. On the axis of FLOPs the learning rate decays
//     with the compute that is left rather than with the steps.
#include "progressive/methods/registry.h"
#include "progressive/methods/stage_shapes.h"

namespace apollo {

Method apollo_plus_method() {
  return {
      .name = "apollo+",
      .summary = "Apollo with long stages and late rehearsal, on the axis of FLOPs",
      .reference = "this program's trials, after Apollo (AAAI 2024)",
      .fill =
          [](int64_t layers) {
            RunConfig::Progressive keys;
            keys.stages = stages_that_divide(
                layers, {{1.0 / 2.0, 70.0}, {1.0 / 4.0, 40.0}, {1.0 / 12.0, 15.0}});
            keys.layer_map = LayerMapKind::kInterpolate;
            keys.depth_sampler = DepthSamplerKind::kLvps;
            keys.depth_draw = DepthDraw::kStep;
            keys.rehearse_from = 0.8;
            keys.optimizer_state = OptimizerStateRule::kTransport;
            return keys;
          },
      .fill_train = [](RunConfig::Train& train) { train.lr_axis = LrAxis::kFlops; },
  };
}

}  // namespace apollo
