// Measures how fast this machine trains a model, by steps that are discarded.
#pragma once

#include "config/resolved_config.h"

namespace apollo {

struct Speed {
  double flops_per_second = 0.0;
  int64_t train_tokens = 0;  // of the run's training text
};

// Prepares the run's data, then trains its first stage for `seconds`, at least three steps, without
// a run folder. run.threads must be at least 1. Throws what open_run() throws, and Interrupted.
Speed measure_speed(const ResolvedConfig& resolved, double seconds);

}  // namespace apollo
