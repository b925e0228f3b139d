// What growth does to the function that a model computes.
#pragma once

#include <cstdint>

#include "config/run_config.h"

namespace apollo {

// Returns whether a pass of `depth` >= `target` computes the same before and after growth from
// `source` layers by copies, that is, whether its blocks run the same weights. This holds at every
// depth if `source` divides `target` and the map nests (layer_map.h).
bool growth_keeps_function(LayerMapKind kind, int64_t source, int64_t target, int64_t depth);

}  // namespace apollo
