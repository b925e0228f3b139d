// What growth does to the function: the loss of one validation batch, before it and after.
#pragma once

#include <optional>

#include "data/batches.h"
#include "model/model.h"
#include "parallel/workers.h"

namespace apollo {

struct GrowthProbe {
  std::optional<double> own_loss;   // at the depth of the model's layers
  std::optional<double> full_loss;  // of the final model's; absent for a model without layers
  double flops = 0.0;
};

// The losses of the first micro_batch_size sequences of `valid`, or none where it is null. Throws
// Interrupted where a signal asks to stop.
GrowthProbe probe_growth(const LanguageModel& model, const Batches* valid, const RunConfig& config,
                         Workers& workers);

}  // namespace apollo
