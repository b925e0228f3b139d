// How fast this machine trains a model: measured, by steps that are thrown away.
#pragma once

#include "config/resolved_config.h"

namespace apollo {

struct Speed {
  double flops_per_second = 0.0;
  int64_t train_tokens = 0;  // of the run's training text
};

// Prepares the run's data, then trains its first stage for `seconds` and three steps at least,
// without a run folder. run.threads must be 1 at least. Throws what open_run() throws, and
// Interrupted.
Speed measure_speed(const ResolvedConfig& resolved, double seconds);

}  // namespace apollo
