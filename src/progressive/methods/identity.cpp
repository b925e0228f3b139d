// Growth by blocks that do nothing yet: copies whose output projections are zero. Wu et al., "LLaMA
// Pro: Progressive LLaMA with Block Expansion", ACL 2024: a copy follows each layer (or group of
// layers), and the output projections of its attention and MLP are zero. So the grown model
// computes the same as the old one, exactly if the norm stands before the block (GPT-2). BERT
// normalises the sum after each block once more, so its function changes a little. A ModernBERT
// block depends on its place: doubled blocks keep their kind if every third is global. The paper
// grows a finished model and trains only the new blocks, to keep what it knows. Here the stages are
// those of stackbert, and all layers train.
#include "progressive/methods/registry.h"
#include "progressive/methods/stage_shapes.h"

namespace apollo {

Method identity_method() {
  return {
      .name = "identity",
      .summary = "doubles by copies that begin as the identity, without sharing",
      .reference = "LLaMA Pro: Progressive LLaMA with Block Expansion (ACL 2024)",
      .fill =
          [](Architecture, int64_t layers) {
            require_layers("identity", layers, 2);
            RunConfig::Progressive keys;
            keys.stages = stages_that_divide(layers, {{1.0 / 2.0, 30.0}, {1.0 / 4.0, 12.5}});
            keys.layer_map = LayerMapKind::kInterpolate;
            keys.new_layers = NewLayers::kIdentity;
            keys.depth_sampler = DepthSamplerKind::kShallowest;
            keys.optimizer_state = OptimizerStateRule::kTransport;
            return keys;
          },
  };
}

}  // namespace apollo
