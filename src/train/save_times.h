// When a run saves, and under which names: at its interval (checkpoint.every), when an evaluation
// is the best so far (checkpoint.best), and at the moments whose checkpoints are kept
// (checkpoint.at).
#pragma once

#include <string>
#include <vector>

#include "train/recurrence.h"
#include "train/run.h"

namespace apollo {

// What a checkpoint is called beside its step.
struct CheckpointNames {
  std::vector<std::string> revisions;  // "1M-tokens"
  bool is_best = false;
};

class SaveTimes {
 public:
  // If the run resumes, moments at or before its position count as done.
  explicit SaveTimes(const Run& run);

  // Returns how often the interval has passed up to `position`.
  int64_t times_due(const RunPosition& position) const { return every_.times_due(position); }

  bool is_due(const TrainState& state) const;
  // Returns the names of a checkpoint of this state, which is being saved now, due or not. Each
  // revision is named once.
  CheckpointNames take_names(const TrainState& state);

 private:
  struct Moment {
    std::string name;
    Milestone milestone;
    bool taken = false;
  };

  bool is_best(const TrainState& state) const;
  bool is_revision(const Moment& moment, const TrainState& state) const;

  Recurrence every_;
  std::vector<Moment> moments_;
  bool keeps_best_;
  int64_t saved_best_ = -1;  // step of the best that has been saved
};

}  // namespace apollo
