#include "config/objective.h"

#include <algorithm>
#include <cmath>

namespace apollo {

int64_t targets_per_sequence(const RunConfig& config) {
  const int64_t context = config.model.context;
  if (config.model.architecture == Architecture::kGpt2) return context;
  const double share = config.data.masked_fraction * static_cast<double>(context - 2);
  return std::max<int64_t>(1, std::llround(share));
}

}  // namespace apollo
