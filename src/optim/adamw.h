// AdamW (Loshchilov and Hutter 2019) over the flat parameter buffer by LibTorch's fused kernel,
// with moments that follow the layers when the model grows.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "config/run_config.h"
#include "model/parameters.h"
#include "progressive/layer_map.h"

namespace apollo {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  // on the slots with `decay` alone
};

// Moments of a parameter buffer, and how many updates each slot has seen.
struct AdamWState {
  at::Tensor exp_avg;              // [layout.total_size()]
  at::Tensor exp_avg_sq;           // [layout.total_size()]
  std::vector<int64_t> num_steps;  // one per slot of the layout
};

AdamWState make_adamw_state(const ParameterSet& parameters);

// One update of all parameters from their gradients.
void adamw_step(ParameterSet& parameters, AdamWState& state, double lr,
                const AdamWOptions& options);

// The state for the grown layout.
// transport: moments and step counts travel with the weights. keep: layer i keeps what slot i had,
// new layers start empty (the reference implementation). reset: all start empty.
AdamWState grow_adamw_state(const AdamWState& state, const ParameterLayout& from,
                            const ParameterLayout& to, const LayerMap& map,
                            OptimizerStateRule rule);

}  // namespace apollo
