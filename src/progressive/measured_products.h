// The matrix products with which a run's library is chosen (train/matmul_choice.h). They are those
// of the run's own weights, with as many rows as a short measurement allows.
#pragma once

#include <cstdint>
#include <vector>

#include "arch/model_spec.h"
#include "config/run_config.h"

namespace apollo {

// One weight of the model in training, [inner, outer], with `rows` rows of input: three products.
struct MeasuredProduct {
  int64_t rows = 0;
  int64_t inner = 0;
  int64_t outer = 0;
  double weight = 1.0;  // how often a pass at full depth runs them
};

// Returns the products of a run; empty if they are so small that the choice does not matter.
std::vector<MeasuredProduct> measured_products(const RunConfig& config, const ModelShape& shape);

}  // namespace apollo
