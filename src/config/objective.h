// What planning, data and models must agree on: the final model's shape and the targets per
// sequence.
#pragma once

#include <cstdint>

#include "config/run_config.h"

namespace apollo {

// Returns how many positions of a training sequence carry a loss and so run through the output
// head. For causal models that is all of them; for masked ones
// round(data.masked_fraction * (context - 2)), at least one, because [CLS] and the last [SEP] are
// never masked. The number is fixed, so that the FLOPs of a step are known in advance.
int64_t targets_per_sequence(const RunConfig& config);

// Returns the shape of the final model. What the config leaves open is the architecture's default.
ModelShape model_shape(const RunConfig& config, int64_t vocab_size);

// Return how its positions rotate, in general and in local blocks.
Rope model_rope(const RunConfig& config);
Rope model_local_rope(const RunConfig& config);

}  // namespace apollo
