#include "train/revisions.h"

#include <algorithm>

namespace apollo {

Revisions::Revisions(const std::vector<Duration>& at, const Schedule& schedule,
                     const RunPosition* position) {
  for (const Duration& moment : at)
    moments_.push_back({file_name(moment), schedule.milestone(moment)});
  if (position != nullptr) take_due(*position);
}

bool Revisions::is_due(const RunPosition& position) const {
  return std::any_of(moments_.begin(), moments_.end(), [&](const Moment& moment) {
    return !moment.taken && moment.milestone.reached(position);
  });
}

std::vector<std::string> Revisions::take_due(const RunPosition& position) {
  std::vector<std::string> names;
  for (Moment& moment : moments_) {
    if (moment.taken || !moment.milestone.reached(position)) continue;
    moment.taken = true;
    names.push_back(moment.name);
  }
  return names;
}

}  // namespace apollo
