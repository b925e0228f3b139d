#include "train/save_times.h"

#include <algorithm>

namespace apollo {

SaveTimes::SaveTimes(const Run& run)
    : every_(run.config().checkpoint.every, *run.schedule),
      keeps_best_(run.config().checkpoint.best) {
  for (const Duration& moment : run.config().checkpoint.at)
    moments_.push_back({file_name(moment), run.schedule->milestone(moment)});
  if (run.resumes) take_names(run.state);
}

bool SaveTimes::is_best(const TrainState& state) const {
  return keeps_best_ && state.best.loss && state.best.step == state.position.step;
}

bool SaveTimes::is_revision(const Moment& moment, const TrainState& state) const {
  return !moment.taken && moment.milestone.reached(state.position);
}

bool SaveTimes::is_due(const TrainState& state) const {
  return times_due(state.position) > state.checkpoints_due ||
         (is_best(state) && state.best.step != saved_best_) ||
         std::any_of(moments_.begin(), moments_.end(),
                     [&](const Moment& moment) { return is_revision(moment, state); });
}

CheckpointNames SaveTimes::take_names(const TrainState& state) {
  CheckpointNames names;
  for (Moment& moment : moments_) {
    if (!is_revision(moment, state)) continue;
    moment.taken = true;
    names.revisions.push_back(moment.name);
  }
  names.is_best = is_best(state);
  if (names.is_best) saved_best_ = state.best.step;
  return names;
}

}  // namespace apollo
