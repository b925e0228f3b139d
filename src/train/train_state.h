// The whole state of a run at one moment, which is also the content of a checkpoint. Together with
// the config and the data it determines every later number.
#pragma once

#include <cstdint>
#include <memory>

#include "model/model.h"
#include "optim/optimizer.h"
#include "progressive/schedule.h"
#include "progressive/source_model.h"
#include "runlog/best_evaluation.h"

namespace apollo {

struct TrainState {
  std::unique_ptr<LanguageModel> model;
  OptimizerState optimizer;
  RunPosition position;  // steps done, their FLOPs and hours
  TrainingCost before;   // what counts as spent before the first step
  StageState stage;
  int64_t tokens = 0;
  double eval_flops = 0.0;    // of evaluations and growth probes, charged separately
  double eval_seconds = 0.0;  // their wall time, which position.hours excludes
  double energy_joules = 0.0;
  // How often each recurring action was due so far (see Recurrence), so that a resumed run neither
  // repeats nor skips one.
  int64_t evaluations_due = -1;
  int64_t checkpoints_due = 0;
  int64_t last_evaluated_step = -1;
  BestEvaluation best;

  double training_flops() const { return before.flops + position.flops; }
  double wall_seconds() const { return before.seconds + position.hours * 3600.0; }
};

}  // namespace apollo
