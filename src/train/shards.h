// Which rank updates what. Plainly, every rank has the sum of all gradients and all moments, and
// makes the same update as the others. With run.shard_optimizer (stage 1 of ZeRO, Rajbhandari et
// al. 2020, arXiv 1910.02054, section 5.1) a rank receives the sum of its own part of the
// gradients, keeps the moments of that part alone, updates it, and the parts of the parameters are
// gathered. The two send as much in a step and come to the same bits: gradients are added by the
// same tree, their norm is added from the same blocks (optim/clip.h), and a part of the buffer is
// updated as it is in the whole (Optimizer::shares()).
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "model/parameters.h"
#include "optim/optimizer.h"
#include "parallel/workers.h"

namespace apollo {

class Shards {
 public:
  // Both must outlive this. One process alone updates everything, whatever is asked for.
  Shards(Workers& workers, const Optimizer& optimizer, bool shard_optimizer);

  // Each rank keeps the moments of its own part.
  bool share_moments() const { return share_moments_; }
  // What this rank updates of a buffer of the layout.
  ElementRange own_part(const ParameterLayout& layout) const;
  at::Tensor own_gradients(const ParameterSet& parameters) const;

  // The gradients of this rank's part become the sum of all ranks' (Workers::sum()); the others are
  // of no use any more.
  void sum_gradients(const ParameterSet& parameters);
  // Norms of the blocks of the summed gradients that this rank looks at; all ranks together look at
  // each block once.
  at::Tensor own_block_norms(const ParameterSet& parameters) const;
  // The norm of all gradients from those norms, on the host.
  double gradient_norm(std::span<const double> own_norms);
  // After the update: every rank has the parameters of all.
  void gather_parameters(const ParameterSet& parameters);

  // All of a buffer of moments, at every rank; `layout` is that of the parameters.
  at::Tensor whole(const OptimizerState::Buffer& buffer, const ParameterLayout& layout);
  // A copy of all moments in rank 0's host memory; the other ranks, which take part, have none.
  OptimizerState on_host(const OptimizerState& state, const ParameterLayout& layout);

 private:
  std::vector<ElementRange> parts(const ParameterLayout& layout) const;
  std::vector<ElementRange> parts_of(const OptimizerState::Buffer& buffer,
                                     const ParameterLayout& layout) const;

  Workers& workers_;
  const Optimizer& optimizer_;
  bool share_moments_;
};

}  // namespace apollo
