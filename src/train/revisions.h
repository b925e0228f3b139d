// The moments of a run whose checkpoints are kept for good (checkpoint.at), with names that say
// when they were. Benchmarks of learning need such series of checkpoints.
#pragma once

#include <string>
#include <vector>

#include "progressive/schedule.h"

namespace apollo {

class Revisions {
 public:
  // Revisions at or before `position` count as taken; null: none do.
  Revisions(const std::vector<Duration>& at, const Schedule& schedule, const RunPosition* position);

  // Whether one was reached that is not yet taken.
  bool is_due(const RunPosition& position) const;
  // Takes these and returns their names: "1M-tokens".
  std::vector<std::string> take_due(const RunPosition& position);

 private:
  struct Moment {
    std::string name;
    Milestone milestone;
    bool taken = false;
  };
  std::vector<Moment> moments_;
};

}  // namespace apollo
