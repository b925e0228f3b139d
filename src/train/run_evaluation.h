// When a run reads its validation data, and what it finds there; and what its final model finds in
// the test data.
#pragma once

#include <optional>
#include <vector>

#include "runlog/rows.h"
#include "train/evaluation.h"
#include "train/recurrence.h"
#include "train/run.h"
#include "train/text_sample.h"

namespace apollo {

// Rows without the place of the run, which the log fills in.
struct EvaluatedRun {
  std::vector<EvalRow> rows;  // one for each depth
  std::optional<SampleRow> sample;
  std::optional<TestRow> test;  // of the end only
  BestEvaluation best;          // the state's, with this evaluation
  double flops = 0.0;           // of validation
  double seconds = 0.0;         // of all
};

class RunEvaluation {
 public:
  explicit RunEvaluation(const Run& run)
      : every_(run.config().eval.every, *run.schedule),
        max_cost_(run.config().eval.max_cost),
        sample_(run) {}

  // How often it has become due up to `position` (recurrence.h).
  int64_t times_due(const RunPosition& position) const { return every_.times_due(position); }

  // Whether `run` evaluates now: once for each time that it is due, unless evaluations have already
  // cost more than eval.max_cost of the training, and at the end of the run in any case.
  // `finished`: this is the end.
  bool is_due(const Run& run, bool finished) const;
  // Whether it would evaluate now but for what evaluations have cost.
  bool leaves_out(const Run& run) const;

  // At the depths that eval.depths asks for; at the end the test data too, where `finished` says so
  // or patience ends with this evaluation (ending.h). Throws Interrupted where a signal ends it
  // half-way.
  EvaluatedRun evaluate_now(const Run& run, bool finished) const;

 private:
  bool has_come(const Run& run) const;
  bool is_too_dear(const TrainState& state) const;

  Recurrence every_;
  double max_cost_;
  TextSample sample_;
};

}  // namespace apollo
