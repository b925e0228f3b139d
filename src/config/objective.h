// What the objective of an architecture makes of a sequence, where planning and data must agree.
#pragma once

#include <cstdint>

#include "config/run_config.h"

namespace apollo {

// Positions of one training sequence that carry a loss, and so run through the output head: all of
// them (GPT), or round(data.masked_fraction * (context - 2)), at least one (BERT; [CLS] and the
// last [SEP] are never masked). The number is fixed, so that the FLOPs of a step are known ahead.
int64_t targets_per_sequence(const RunConfig& config);

}  // namespace apollo
