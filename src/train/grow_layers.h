// Growth of what trains: the model and the moments of its optimizer, by one layer map.
#pragma once

#include <memory>

#include "train/train_state.h"

namespace apollo {

struct GrownLayers {
  LayerMap map;  // kFresh for the layers that start anew (new_layers = random)
  std::unique_ptr<LanguageModel> model;
  OptimizerState optimizer;
};

// What becomes of `state`, which stays as it is, with `target` layers by the map `kind` and the
// keys of the config for new layers and moments.
GrownLayers grow_layers(const TrainState& state, LayerMapKind kind, int64_t target,
                        const RunConfig& config);

}  // namespace apollo
