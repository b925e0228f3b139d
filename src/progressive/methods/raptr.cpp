// Random part training: the model is whole from the first step, and each pass runs a random part of
// it. Panigrahi et al., "Efficient Stagewise Pretraining via Progressive Subnetworks", 2024
// (RaPTr). The first and the last layer always run, the others with equal probability. The part
// grows in stages: 6, 8, 10 and 12 of 12 layers for a quarter of the run each, 9 layers on average.
// In a pass of D of N layers the residual branches are scaled by sqrt(N/D), so that their sum
// varies as much as with all N.
//
// Other sizes use 1/2, 2/3 and 5/6 of the layers, rounded, at least 2.
#include <algorithm>

#include "progressive/methods/registry.h"
#include "progressive/methods/stage_shapes.h"

namespace apollo {

Method raptr_method() {
  return {
      .name = "raptr",
      .summary = "all layers from the first step, a pass runs a random part of them that grows",
      .reference = "Efficient Stagewise Pretraining via Progressive Subnetworks (2024)",
      .fill =
          [](Architecture, int64_t layers) {
            require_layers("raptr", layers, 3);
            RunConfig::Progressive keys;
            for (int64_t quarter = 0; quarter < 3; ++quarter) {
              const int64_t depth = std::max<int64_t>(2, (layers * (3 + quarter) + 3) / 6);
              const Duration until = {25.0 * static_cast<double>(quarter + 1),
                                      DurationUnit::kPercentSteps};
              if (!keys.stages.empty() && keys.stages.back().depth == depth) {
                keys.stages.back().until = until;
              } else if (depth < layers) {
                keys.stages.push_back({.layers = layers, .until = until, .depth = depth});
              }
            }
            keys.stages.push_back({.layers = layers});
            keys.depth_sampler = DepthSamplerKind::kShallowest;
            return keys;
          },
  };
}

}  // namespace apollo
