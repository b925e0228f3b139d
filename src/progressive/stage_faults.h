// Faults of [progressive] stages that can be named before any data is read.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/error.h"
#include "config/run_config.h"

namespace apollo {

// Stages that shrink, exceed model.layers or do not reach it, cannot grow by the layer map, lack an
// end or end out of order, and keys that do not go together, all at once; `where` is the key, for
// example "progressive.stages[1].until".
std::vector<Diagnostic> stage_faults(const RunConfig& config);

// A length counted from the start of the run; places compare on one axis only.
struct PlaceInRun {
  int axis = 0;
  double value = 0.0;
};
using PlaceOf = std::function<PlaceInRun(const Duration&)>;

// Appends a fault where the stage ends before the one before it, at the same length, or not before
// the run. What cannot be compared is let pass.
void check_stage_end(const RunConfig& config, size_t index, const PlaceOf& place_of,
                     std::vector<Diagnostic>& faults);

}  // namespace apollo
