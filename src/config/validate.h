// Ranges and combinations of values that can be judged without data or device.
#pragma once

#include <vector>

#include "base/error.h"
#include "config/resolved_config.h"

namespace apollo {

// All faults, each pointing at the place in the file where the value stands. Stages are checked by
// progressive/stage_faults.h, which knows the method.
std::vector<Diagnostic> validate(const ResolvedConfig& resolved);

}  // namespace apollo
