// Choice of the layer map by a short trial (progressive.trial_steps): at a growth the model is
// grown by each of trial_maps, and every copy trains so many steps on the same batches. The run
// goes on from the best copy after its steps, which are steps of the run; each is charged once for
// every copy.
//
// Maps that give the same layers are one: growth from one layer has no trial, since all of its maps
// copy that layer. progressive.layer_map goes on to rule how passes share layers.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "progressive/flops.h"
#include "progressive/layer_map.h"

namespace apollo {

// Those of trial_maps by which growth from `source` layers to `target` is tried, in their order;
// empty where there is no trial: trial_steps is 0, or the maps all give the same layers.
std::vector<LayerMapKind> maps_to_try(const RunConfig::Progressive& keys, int64_t source,
                                      int64_t target);

// Memory beyond what the grown model takes, during the largest trial: the model before growth, and
// the best copy so far beside the one that trains. 0 where no growth has a trial.
double map_trial_bytes(const RunConfig& config, const ModelShape& shape);

// Keys that a trial does not go with, and trials that could not choose anything.
std::vector<Diagnostic> map_trial_faults(const RunConfig& config);

}  // namespace apollo
