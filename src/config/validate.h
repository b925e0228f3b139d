// Ranges and combinations of values that can be judged without data or device.
#pragma once

#include <vector>

#include "base/error.h"
#include "config/resolved_config.h"

namespace apollo {

// Returns all faults; each points at the place of the value in the file. progressive/stage_faults.h
// checks the stages, because it knows the method.
std::vector<Diagnostic> validate(const ResolvedConfig& resolved);

}  // namespace apollo
