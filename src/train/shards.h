// Which rank updates what. By default every rank has the sum of all gradients and all moments, and
// makes the same update as the others. With run.shard_optimizer (stage 1 of ZeRO, Rajbhandari et
// al. 2020, arXiv 1910.02054, section 5.1) a rank receives the sum of only its part of the
// gradients, keeps only the moments of that part, and updates it; then the parts of the parameters
// are gathered. Both ways send equally much per step and give the same bits: gradients are added by
// the same tree, their norm is added from the same blocks (optim/clip.h), and a part of the buffer
// is updated as it is in the whole (Optimizer::shares()).
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
  // Both must outlive the object. A single process always updates everything.
  Shards(Workers& workers, const Optimizer& optimizer, bool shard_optimizer);

  // Whether each rank keeps only the moments of its own part.
  bool share_moments() const { return share_moments_; }
  // Returns the part of a buffer of the layout that this rank updates.
  ElementRange own_part(const ParameterLayout& layout) const;
  at::Tensor own_gradients(const ParameterSet& parameters) const;

  // Replaces the gradients of this rank's part with the sum over all ranks (Workers::sum()). The
  // other gradients are then of no use.
  void sum_gradients(const ParameterSet& parameters);
  // Returns the norms of the blocks of summed gradients that this rank reads. Together the ranks
  // read each block once.
  at::Tensor own_block_norms(const ParameterSet& parameters) const;
  // Returns the norm of all gradients from those norms, on the host.
  double gradient_norm(std::span<const double> own_norms);
  // After the update: gathers the parameters of all ranks at every rank.
  void gather_parameters(const ParameterSet& parameters);

  // Returns a whole buffer of moments, at every rank; `layout` is that of the parameters.
  at::Tensor whole(const OptimizerState::Buffer& buffer, const ParameterLayout& layout);
  // Returns a copy of all moments in rank 0's host memory. All ranks must take part; the others get
  // none.
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
