// The moments of a run whose checkpoints stay for good (checkpoint.at), under names that say when
// they were: the checkpoints of a series, as benchmarks of learning ask for them.
#pragma once

#include <string>
#include <vector>

#include "progressive/schedule.h"

namespace apollo {

class Revisions {
 public:
  // Those at or before `position` count as taken; null: none are.
  Revisions(const std::vector<Duration>& at, const Schedule& schedule, const RunPosition* position);

  // Whether any was reached that is not taken yet.
  bool is_due(const RunPosition& position) const;
  // Takes these; their names: "1M-tokens".
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
