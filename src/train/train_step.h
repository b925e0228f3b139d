// One optimizer step: the passes that the schedule plans, added up, checked, clipped, applied.
// Nothing here logs, evaluates or saves.
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

// Targets that carry a loss, at least 1: a batch of padding alone has none, and its loss is 0, not
// 0 / 0.
int64_t count_targets(const TokenBatch& batch);

// Takes `state` one step further, except for position.hours. Throws DivergedError before the
// update where the loss or a gradient is not finite; `state` is then as it was, gradients apart.
StepResult train_step(TrainState& state, const Run& run);

}  // namespace apollo
