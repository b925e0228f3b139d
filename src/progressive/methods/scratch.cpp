// The baseline: all layers from the first step, every pass at full depth.
#include "progressive/methods/registry.h"

namespace apollo {

Method scratch_method() {
  return {
      .name = "scratch",
      .summary = "all layers from the first step: the baseline",
      .reference = "",
      .fill =
          [](Architecture, int64_t layers) {
            RunConfig::Progressive keys;
            keys.stages = {{.layers = layers, .until = {}}};
            keys.depth_sampler = DepthSamplerKind::kDeepest;
            return keys;
          },
  };
}

}  // namespace apollo
