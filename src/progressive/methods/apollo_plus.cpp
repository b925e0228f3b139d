// Apollo+: Apollo with what our own trials changed (docs/results/methods.md). Maps, sampler,
// moments and exact growth are Apollo's.
//
//   * A shallow stage is cheap and learns fast, so it is long: stages of a causal model end at
//     30, 40 and 80 %. The second ends soon, because the depth that the first has rehearsed is not
//     forgotten before it is rehearsed again. Stages of a masked model end at 20, 30 and 70 %. One
//     layer used twelve times is of no use to it, however long it rehearses, but what three layers
//     have rehearsed is.
//   * Shared passes cost more than shallow ones and serve only the growth that follows. So they are
//     drawn in the last fifth of each stage, stratified over 32 steps, so that each of these
//     windows covers all depths.
//   * Steps of shallow stages are many and cheap. On the FLOPs axis, which all of these trials use,
//     the learning rate decays with the compute that is left and not with the steps.
//   * Fewer layers tolerate a higher learning rate: with N of L layers it is (L/N)^0.25 times as
//     high. This needs a longer warm-up, 10 %, or a single layer sometimes stays on a plateau
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
