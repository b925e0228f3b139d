// Everything that one optimizer step will do, decided before it runs.
#pragma once

#include <cstdint>
#include <vector>

#include "progressive/layer_map.h"

namespace apollo {

// The forward and backward pass of one micro-batch.
struct PassPlan {
  LayerMap blocks;    // the layer whose weights each block uses, in order
  int64_t first = 0;  // rows [first, first + rows) of the batch
  int64_t rows = 0;
  bool recompute = false;     // compute blocks again in the backward pass instead of keeping them
  int64_t frozen = 0;         // so many first blocks, and with them the embedding, run forward only
  double branch_scale = 1.0;  // factor on what each residual branch adds
  uint64_t dropout_key = 0;   // with the place, this determines what dropout zeroes

  int64_t depth() const { return static_cast<int64_t>(blocks.size()); }
};

struct StepPlan {
  std::vector<PassPlan> passes;  // together they cover the batch
  double lr = 0.0;               // at the middle of the step
  double flops = 0.0;            // of all passes
};

}  // namespace apollo
