// Growth of everything that trains: the model and the moments of its optimizer, by one layer map.
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

// Returns what `state`, which does not change, becomes with `target` layers by the map `kind` and
// the config's keys for new layers and moments. If ranks share the moments, a new layer's moments
// may come from any rank. Then each buffer in turn is gathered whole at every rank, 4 bytes per
// parameter of the old model, and this rank's part of the new one is grown from it.
GrownLayers grow_layers(const TrainState& state, LayerMapKind kind, int64_t target,
                        const RunConfig& config, Shards& shards);

}  // namespace apollo
