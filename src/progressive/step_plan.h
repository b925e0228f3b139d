// All that one optimizer step will do, decided before it runs.
#pragma once

#include <cstdint>
#include <vector>

#include "progressive/layer_map.h"

namespace apollo {

// The forward and backward pass of one micro-batch.
struct PassPlan {
  LayerMap blocks;    // the layer whose weights each block runs with, in order
  int64_t first = 0;  // rows [first, first + rows) of the batch
  int64_t rows = 0;
  bool recompute = false;     // blocks are computed again in the backward pass, not kept for it
  int64_t frozen = 0;         // the first so many blocks and the embedding only run forward
  double branch_scale = 1.0;  // of what each residual branch adds
  uint64_t dropout_key = 0;   // what dropout zeroes is a function of it and of the place

  int64_t depth() const { return static_cast<int64_t>(blocks.size()); }
};

struct StepPlan {
  std::vector<PassPlan> passes;  // together they cover the batch
  double lr = 0.0;               // in the middle of the step
  double flops = 0.0;            // of all passes
};

}  // namespace apollo
