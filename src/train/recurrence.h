// An action that recurs after a number of steps, tokens, epochs, FLOPs or hours of a run.
#pragma once

#include <cmath>
#include <cstdint>

#include "progressive/schedule.h"

namespace apollo {

class Recurrence {
 public:
  Recurrence(const Duration& every, const Schedule& schedule)
      : interval_(schedule.milestone(every)) {}

  // Returns how often the action has become due up to `position`, not counting its start; 0 if the
  // interval is 0, which means never.
  int64_t times_due(const RunPosition& position) const {
    if (interval_.value <= 0) return 0;
    return static_cast<int64_t>(std::floor(coordinate(position, interval_.axis) / interval_.value));
  }

 private:
  Milestone interval_;
};

}  // namespace apollo
