// What growth does to the function: the loss of one validation batch before and after it.
#pragma once

#include <optional>

#include "data/batches.h"
#include "model/model.h"
#include "parallel/workers.h"

namespace apollo {

struct GrowthProbe {
  std::optional<double> own_loss;   // at the depth of the model's own layers
  std::optional<double> full_loss;  // at the final depth; none for a model without layers
  double flops = 0.0;
};

// Returns the losses on the first micro_batch_size sequences of `valid`, or none if it is null.
// Throws Interrupted if a signal asks to stop.
GrowthProbe probe_growth(const LanguageModel& model, const Batches* valid, const RunConfig& config,
                         Workers& workers);

}  // namespace apollo
