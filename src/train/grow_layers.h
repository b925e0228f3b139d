// Growth of what trains: the model and the moments of its optimizer, by one layer map.
#pragma once

#include <memory>

#include "train/shards.h"
#include "train/train_state.h"

namespace apollo {

struct GrownLayers {
  LayerMap map;  // kFresh for the layers that start anew (new_layers = random)
  std::unique_ptr<LanguageModel> model;
  OptimizerState optimizer;
};

// What becomes of `state`, which stays as it is, with `target` layers by the map `kind` and the
// keys of the config for new layers and moments. Where ranks share the moments, a new layer's may
// come from any rank: each buffer in turn is gathered whole at every rank, 4 bytes per parameter of
// the old model, and this rank's part of the new one is grown from it.
GrownLayers grow_layers(const TrainState& state, LayerMapKind kind, int64_t target,
                        const RunConfig& config, Shards& shards);

}  // namespace apollo
