// What growth does to the function that a model computes.
#pragma once

#include <cstdint>

#include "config/run_config.h"

namespace apollo {

// Whether a pass of `depth` >= `target` computes after growth from `source` layers by copies what
// it computed before: whether its blocks run the same weights. At every depth so it is exactly
// where `source` divides `target` and the map nests (layer_map.h).
bool growth_keeps_function(LayerMapKind kind, int64_t source, int64_t target, int64_t depth);

}  // namespace apollo
