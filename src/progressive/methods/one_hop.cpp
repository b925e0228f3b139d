// One layer for most of the run, then all at once, at a learning rate that is still high. Bu, "Deep
// Progressive Training: scaling up depth capacity of zero/one-layer models", 2025: growth after 80
// % of the steps under a warm-up, stable, decay schedule. It comes before the decay, here the last
// 10 %, so that the loss of the grown model meets that of a deep one while the rate is high. The
// new layers are copies here. In the paper fresh ones work as well (new_layers = "random"); with
// these a run may start without any layer (stages = [{layers = 0, until = "80% steps"}, ...]).
#include "progressive/methods/registry.h"
#include "progressive/methods/stage_shapes.h"

namespace apollo {

Method one_hop_method() {
  return {
      .name = "one_hop",
      .summary = "one layer until 80 % of the steps, then all of them, under a wsd schedule",
      .reference =
          "Deep Progressive Training: scaling up depth capacity of zero/one-layer models (2025)",
      .fill =
          [](Architecture, int64_t layers) {
            require_layers("one_hop", layers, 2);
            RunConfig::Progressive keys;
            keys.stages = {{.layers = 1, .until = Duration{80.0, DurationUnit::kPercentSteps}},
                           {.layers = layers}};
            keys.layer_map = LayerMapKind::kInterpolate;
            keys.depth_sampler = DepthSamplerKind::kShallowest;
            keys.optimizer_state = OptimizerStateRule::kTransport;
            return keys;
          },
      .fill_train =
          [](RunConfig::Train& train) {
            train.lr_schedule = LrSchedule::kWsd;
            train.decay = {10.0, DurationUnit::kPercent};
          },
  };
}

}  // namespace apollo
