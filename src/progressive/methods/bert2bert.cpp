// A trained model made wider and deeper, then trained on: Chen et al., "bert2BERT: Towards Reusable
// Pretrained Language Models", ACL 2022. Width grows first, by AKI, which they found best (FPI:
// source_map = "fpi"); then depth, by stacking with the top layers for a partial repeat. They also
// propose to train sub-models of the lower layers first. That is not implemented here; stages with
// fewer layers than the model replace it.
#include "progressive/methods/registry.h"

namespace apollo {

Method bert2bert_method() {
  return {
      .name = "bert2bert",
      .summary = "begins from a trained model (source), grown in width and depth",
      .reference = "bert2BERT: Towards Reusable Pretrained Language Models (ACL 2022)",
      .fill =
          [](Architecture, int64_t layers) {
            RunConfig::Progressive keys;
            keys.stages = {{.layers = layers}};
            keys.layer_map = LayerMapKind::kStack;
            keys.depth_sampler = DepthSamplerKind::kShallowest;
            keys.source_map = SourceMap::kAki;
            return keys;
          },
      .needs_source = true,
  };
}

}  // namespace apollo
