// Decides when a run reads its validation data and evaluates on it; the final model is also
// evaluated on the test data.
#pragma once

#include <optional>
#include <vector>

#include "runlog/rows.h"
#include "train/evaluation.h"
#include "train/recurrence.h"
#include "train/run.h"
#include "train/text_sample.h"

namespace apollo {

// Rows without the position of the run, which the log adds.
struct EvaluatedRun {
  std::vector<EvalRow> rows;  // one per depth
  std::optional<SampleRow> sample;
  std::optional<TestRow> test;  // only at the end
  BestEvaluation best;          // the state's best, with this evaluation
  double flops = 0.0;           // of validation
  double seconds = 0.0;         // of all
};

class RunEvaluation {
 public:
  explicit RunEvaluation(const Run& run)
      : every_(run.config().eval.every, *run.schedule),
        max_cost_(run.config().eval.max_cost),
        sample_(run) {}

  // Returns how often it has become due up to `position` (recurrence.h).
  int64_t times_due(const RunPosition& position) const { return every_.times_due(position); }

  // Whether `run` evaluates now: once each time it is due, unless evaluations have already cost
  // more than eval.max_cost of the training, and always at the end of the run. `finished`: this is
  // the end.
  bool is_due(const Run& run, bool finished) const;
  // Whether it would evaluate now if evaluations had cost less.
  bool leaves_out(const Run& run) const;

  // Evaluates at the depths of eval.depths, and at the end on the test data too. The end is where
  // `finished` says so, or where patience ends with this evaluation (ending.h). Throws Interrupted
  // if a signal ends it half-way.
  EvaluatedRun evaluate_now(const Run& run, bool finished) const;

 private:
  bool has_come(const Run& run) const;
  bool is_too_dear(const TrainState& state) const;

  Recurrence every_;
  double max_cost_;
  TextSample sample_;
};

}  // namespace apollo
