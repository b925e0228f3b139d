// Faults of [progressive] stages that can be found before any data is read.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/error.h"
#include "config/run_config.h"

namespace apollo {

// Returns all faults at once: stages that shrink, exceed model.layers or do not reach it, cannot
// grow by the layer map, lack an end or end out of order, and keys that do not go together. `where`
// is the key, for example "progressive.stages[1].until".
std::vector<Diagnostic> stage_faults(const RunConfig& config);

// A length counted from the start of the run. Places can be compared only on the same axis.
struct PlaceInRun {
  int axis = 0;
  double value = 0.0;
};
using PlaceOf = std::function<PlaceInRun(const Duration&)>;

// Appends a fault if the stage does not end after the stage before it and before the run does. What
// cannot be compared passes.
void check_stage_end(const RunConfig& config, size_t index, const PlaceOf& place_of,
                     std::vector<Diagnostic>& faults);

}  // namespace apollo
