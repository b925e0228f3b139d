// When a run saves, and under which names: at its interval (checkpoint.every), where it was best so
// far (checkpoint.best), and at the moments whose checkpoints stay for good (checkpoint.at), the
// checkpoints of a series as benchmarks of learning ask for them.
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
  // Of a run that resumes, what lies at or before its position counts as done.
  explicit SaveTimes(const Run& run);

  // How often the interval has passed up to `position`.
  int64_t times_due(const RunPosition& position) const { return every_.times_due(position); }

  bool is_due(const TrainState& state) const;
  // The names of a checkpoint of this state, once each: it is being saved, whether due or not.
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
