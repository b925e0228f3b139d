// Faults of [progressive] stages that can be named before any data is read.
#pragma once

#include <vector>

#include "base/error.h"
#include "config/run_config.h"

namespace apollo {

// Stages that shrink, exceed model.layers or do not reach it, cannot grow by the layer map, lack an
// end or end out of order, and keys that do not go together, all at once; `where` is the key, for
// example "progressive.stages[1].until".
std::vector<Diagnostic> stage_faults(const RunConfig& config);

}  // namespace apollo
