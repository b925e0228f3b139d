// What planning, data and models must agree on: the final model's shape, and targets per sequence.
#pragma once

#include <cstdint>

#include "config/run_config.h"

namespace apollo {

// Positions of one training sequence that carry a loss, and so run through the output head: all of
// them (causal), or round(data.masked_fraction * (context - 2)), at least one (masked; [CLS] and
// the last [SEP] are never masked). The number is fixed, so that the FLOPs of a step are known
// ahead.
int64_t targets_per_sequence(const RunConfig& config);

// The shape of the final model; what the config leaves open is the architecture's own.
ModelShape model_shape(const RunConfig& config, int64_t vocab_size);

// How its positions rotate, and how those in its local blocks.
Rope model_rope(const RunConfig& config);
Rope model_local_rope(const RunConfig& config);

}  // namespace apollo
