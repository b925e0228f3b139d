// A trained model grown by linear operators that are learned first: Wang et al., "Learning to Grow
// Pretrained Models for Efficient Transformer Training", ICLR 2023 (model/growth_operators.h). They
// learn for 100 steps, as in the paper; more gain little (its table 3). The operators start as
// function-preserving growth in width and stacking in depth.
#include "progressive/methods/registry.h"

namespace apollo {

Method ligo_method() {
  return {
      .name = "ligo",
      .summary = "begins from a trained model (source), grown by operators that are learned first",
      .reference =
          "Learning to Grow Pretrained Models for Efficient Transformer Training (ICLR "
          "2023)",
      .fill =
          [](Architecture, int64_t layers) {
            RunConfig::Progressive keys;
            keys.stages = {{.layers = layers}};
            keys.layer_map = LayerMapKind::kStack;
            keys.depth_sampler = DepthSamplerKind::kShallowest;
            keys.source_map = SourceMap::kLigo;
            keys.source_steps = 100;
            return keys;
          },
      .needs_source = true,
  };
}

}  // namespace apollo
