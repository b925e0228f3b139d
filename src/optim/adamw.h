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

// One update of all parameters from their gradients; or of the slots for which `trained` is true
// (trained_slots()), the others then being left as they are, with their moments and step counts.
void adamw_step(ParameterSet& parameters, AdamWState& state, double lr, const AdamWOptions& options,
                const std::vector<bool>& trained = {});

// The state for the grown layout.
// transport: moments and step counts travel with the weights. transport_scaled: a layer of which
// growth makes r has exp_avg / r and exp_avg_sq / r^2 in each, since the r parts share the gradient
// that it had for all its uses. keep: layer i keeps what slot i had,
// new layers start empty (the reference implementation). reset: all start empty. kFresh
// layers start empty by every rule but keep.
AdamWState grow_adamw_state(const AdamWState& state, const ParameterLayout& from,
                            const ParameterLayout& to, const LayerMap& map,
                            OptimizerStateRule rule);

}  // namespace apollo
