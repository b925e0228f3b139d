// Exact floating-point operations: 2*m*n*k for every matrix product that runs, backward = 2 x
// forward. Attention is counted as the full T x T scores and mixing, the field's convention, also
// where a causal kernel skips half. Element-wise work is not counted.
#pragma once

#include <cstdint>

#include "config/run_config.h"

namespace apollo {

// What the count depends on; also the number of parameters.
struct ModelShape {
  Architecture architecture = Architecture::kGpt2;
  int64_t layers = 0;  // of the final model
  int64_t width = 0;
  int64_t heads = 0;
  int64_t context = 0;
  int64_t vocab_size = 0;

  bool operator==(const ModelShape&) const = default;
};

ModelShape model_shape(const RunConfig& config, int64_t vocab_size);

// Of one block over `sequences` sequences of `length` tokens, forward.
double layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length);
// Of the output head over `positions` positions, forward.
double head_forward_flops(const ModelShape& shape, int64_t positions);
// Of a whole forward pass of `depth` blocks with the head on every position.
double forward_flops(const ModelShape& shape, int64_t depth, int64_t sequences, int64_t length);
// Forward and backward of one training pass over full sequences: 3 x forward.
double train_flops(const ModelShape& shape, int64_t depth, int64_t sequences);

// Parameters of a model with `layers` unique layers (tied head counted once).
int64_t num_parameters(const ModelShape& shape, int64_t layers);
// Of one block.
int64_t num_layer_parameters(const ModelShape& shape);

}  // namespace apollo
