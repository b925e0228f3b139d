// Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon): the update of a hidden
// matrix is its orthogonalized momentum, so that it is equally long in all directions. As in
// torch.optim.Muon with adjust_lr_fn = "match_rms_adamw": for gradient G, momentum B, learning rate
// r, decay d and W of [m, n],
//
//   B <- lerp(B, G, 1 - mu);  O = NewtonSchulz(lerp(G, B, mu));  mu = 0.95
//   W <- (1 - r d) W - r 0.2 sqrt(max(m, n)) O
//
// The factor gives the update the root mean square of an update of AdamW (Liu et al. 2025, "Muon is
// scalable for LLM training", arXiv 2502.16982, equation 4), so one learning rate serves both.
// AdamW updates everything except the hidden matrices (arch/hidden_matrices.h), which are cut as
// the architecture's list of parameters says.
#pragma once

#include "optim/adamw.h"
#include "optim/optimizer.h"

namespace apollo {

struct MuonOptions {
  double momentum = 0.95;
  double weight_decay = 0.1;  // on the slots with `decay` only
};

// Its buffer `momentum` belongs to the hidden matrices; AdamW's moments belong to the others.
class Muon final : public Optimizer {
 public:
  Muon(const MuonOptions& options, const AdamWOptions& others)
      : options_(options), others_(others, ParameterGroup::kOthers) {}

  const char* name() const override { return "muon"; }
  using Optimizer::fresh_state;
  OptimizerState fresh_state(const ParameterSet& parameters, ElementRange part) const override;
  // Returns shares of about equal length. An end that would fall into the tensor of a hidden matrix
  // moves to the nearer end of that tensor.
  std::vector<ElementRange> shares(const ParameterLayout& layout, int64_t count) const override;
  void step(ParameterSet& parameters, OptimizerState& state, double lr,
            const std::vector<bool>& trained = {}) const override;

 private:
  MuonOptions options_;
  AdamW others_;
};

}  // namespace apollo
