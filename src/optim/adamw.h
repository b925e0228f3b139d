// AdamW (Loshchilov and Hutter 2019) over the flat parameter buffer, by LibTorch's fused kernel.
#pragma once

#include "optim/optimizer.h"

namespace apollo {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  // on the slots with `decay` only
};

// Its buffers are the moments `exp_avg` and `exp_avg_sq`. Parameters outside `group` are left to
// another optimizer.
class AdamW final : public Optimizer {
 public:
  explicit AdamW(const AdamWOptions& options, ParameterGroup group = ParameterGroup::kAll)
      : options_(options), group_(group) {}

  const char* name() const override { return "adamw"; }
  using Optimizer::fresh_state;
  OptimizerState fresh_state(const ParameterSet& parameters, ElementRange part) const override;
  void step(ParameterSet& parameters, OptimizerState& state, double lr,
            const std::vector<bool>& trained = {}) const override;

 private:
  AdamWOptions options_;
  ParameterGroup group_;
};

}  // namespace apollo
