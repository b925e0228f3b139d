// The matrix products by which a run's library is chosen (train/matmul_choice.h): those of its own
// weights, with as many rows as a short measurement allows.
#pragma once

#include <cstdint>
#include <vector>

#include "arch/model_spec.h"
#include "config/run_config.h"

namespace apollo {

// A weight of the model in training, [inner, outer], with `rows` rows of input: three products.
struct MeasuredProduct {
  int64_t rows = 0;
  int64_t inner = 0;
  int64_t outer = 0;
  double weight = 1.0;  // how often a pass at full depth runs it
};

// Those of a run; empty where they are so small that no choice would show.
std::vector<MeasuredProduct> measured_products(const RunConfig& config, const ModelShape& shape);

}  // namespace apollo
