// Apollo+: Apollo with what its own trials changed (docs/results/methods.md); maps, sampler,
// moments and exact growth are Apollo's.
//
//   * A shallow stage is cheap and learns fast, so it is long: stages of a causal model end at
//     30, 40 and 80 %. The second ends soon: the depth that the first has rehearsed is not
//     forgotten before it is rehearsed again. Those of a masked one end at 20, 30 and 70 %: one
//     layer used twelve times is of no use to it, however long it rehearses, and what three layers
//     have rehearsed is.
//   * Shared passes are dearer than shallow ones and serve only the growth that follows: they are
//     drawn in the last fifth of each stage, stratified over 32 steps, so that each of these
//     windows holds the whole depth.
//   * Steps of shallow stages are many and cheap. On the axis of FLOPs, as in all of these trials,
//     the learning rate decays with the compute that is left rather than with the steps.
//   * Fewer layers bear a higher learning rate: that of N of L layers is (L/N)^0.25 times as high.
//     The warm-up is longer for it, 10 %, or one layer now and then stays on a plateau
//     (docs/results/ideas.md).
#include "arch/architecture.h"
#include "progressive/methods/registry.h"
#include "progressive/methods/stage_shapes.h"

namespace apollo {

Method apollo_plus_method() {
  return {
      .name = "apollo+",
      .summary = "Apollo with long stages, late rehearsal and higher rates for fewer layers",
      .reference = "this program's trials, after Apollo (AAAI 2024)",
      .fill =
          [](Architecture architecture, int64_t layers) {
            RunConfig::Progressive keys = apollo_method().fill(architecture, layers);
            const double sooner = objective_of(architecture) == Objective::kMasked ? 10.0 : 0.0;
            keys.stages = stages_that_divide(layers,
                                             {{1.0 / 2.0, 80.0 - sooner},
                                              {1.0 / 4.0, 40.0 - sooner},
                                              {1.0 / 12.0, 30.0 - sooner}},
                                             DurationUnit::kPercent);
            keys.rehearse_from = 0.8;
            keys.stratify = 32;
            keys.lr_depth_power = 0.25;
            return keys;
          },
      .fill_train =
          [](RunConfig::Train& train) {
            train.lr_axis = LrAxis::kFlops;
            train.warmup = {10.0, DurationUnit::kPercent};
          },
  };
}

}  // namespace apollo
