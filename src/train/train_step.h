// One optimizer step: draw the depths, forward and backward for each micro-batch, clip, check,
// update. Nothing here logs, evaluates or saves.
#pragma once

#include <cstdint>
#include <vector>

#include "data/batch_prefetcher.h"
#include "optim/lr_schedule.h"
#include "progressive/schedule.h"
#include "train/train_state.h"
#include "train/training_passes.h"

namespace apollo {

// What stays the same from step to step.
struct StepContext {
  const RunConfig& config;
  const Schedule& schedule;
  BatchPrefetcher& data;
  LrCurve lr;
  AdamWOptions optimizer;
  PassOptions pass;
  TrainingPasses& passes;
};

struct StepResult {
  double loss = 0.0;       // mean over the step's targets, before the update, nats
  double grad_norm = 0.0;  // before clipping
  double lr = 0.0;
  double flops = 0.0;
  std::vector<int64_t> depths;  // one per micro-batch
};

// Targets that carry a loss, at least 1: a batch of padding alone has none, and its loss is 0, not
// 0 / 0.
int64_t count_targets(const TokenBatch& batch);

// Takes `state` one step further, except for position.hours. Throws DivergedError before the
// update where the loss or a gradient is not finite; `state` is then as it was, gradients apart.
StepResult train_step(TrainState& state, const StepContext& context);

}  // namespace apollo
