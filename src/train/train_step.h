// One optimizer step: runs the passes that the schedule plans, adds their gradients, checks, clips
// and applies them. Nothing here logs, evaluates or saves.
#pragma once

#include <cstdint>
#include <vector>

#include "train/run.h"

namespace apollo {

struct StepResult {
  double loss = 0.0;       // mean over the step's targets, before the update, nats
  double grad_norm = 0.0;  // before clipping
  double lr = 0.0;
  double flops = 0.0;
  std::vector<int64_t> depths;  // one per micro-batch
  int64_t tokens = 0;
};

// Returns the number of targets that carry a loss, at least 1. A batch of only padding has none,
// and its loss must be 0, not 0 / 0.
int64_t count_targets(const TokenBatch& batch);

// Advances `state` by one step, except for position.hours. Throws DivergedError before the update
// if the loss or a gradient is not finite; then only the gradients in `state` have changed.
StepResult train_step(TrainState& state, const Run& run);

}  // namespace apollo
