#include "config/objective.h"

#include <algorithm>
#include <cmath>

#include "arch/architecture.h"

namespace apollo {

int64_t targets_per_sequence(const RunConfig& config) {
  const int64_t context = config.model.context;
  if (objective_of(config.model.architecture) == Objective::kCausal) return context;
  const double share = config.data.masked_fraction * static_cast<double>(context - 2);
  return std::max<int64_t>(1, std::llround(share));
}

ModelShape model_shape(const RunConfig& config, int64_t vocab_size) {
  const RunConfig::Model& model = config.model;
  return {model.architecture, model.layers, model.width, model.heads, model.context, vocab_size};
}

}  // namespace apollo
