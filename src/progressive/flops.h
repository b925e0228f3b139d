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
  int64_t inner = 0;        // width of the MLP's inside; 0: the usual 4 * width
  int64_t token_types = 2;  // BERT

  int64_t inner_width() const { return inner > 0 ? inner : 4 * width; }
  void set_inner_width(int64_t value) { inner = value == 4 * width ? 0 : value; }

  bool operator==(const ModelShape&) const = default;
};

ModelShape model_shape(const RunConfig& config, int64_t vocab_size);

// Of one block over `sequences` sequences of `length` tokens, forward.
double layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length);
// Of the last block of a pass whose loss reads `positions` positions in all. What GPT-2 reads are
// all of them; BERT's last block runs at these alone from the projection of the heads on.
double last_layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length,
                                int64_t positions);
// Of the output head over `positions` positions, forward.
double head_forward_flops(const ModelShape& shape, int64_t positions);
// Of a whole forward pass of `depth` blocks, the loss on `positions` positions in all.
double forward_flops(const ModelShape& shape, int64_t depth, int64_t sequences, int64_t length,
                     int64_t positions);
// Forward and backward of one training pass over full sequences, of each of which the loss reads
// `targets` (see targets_per_sequence()): 3 x forward. `recompute`: the blocks run
// forward once more in the backward pass. The first `frozen` blocks run forward alone.
double train_flops(const ModelShape& shape, int64_t depth, int64_t sequences, int64_t targets,
                   bool recompute = false, int64_t frozen = 0);

// Parameters of a model with `layers` unique layers (tied head counted once).
int64_t num_parameters(const ModelShape& shape, int64_t layers);
// Of one block.
int64_t num_layer_parameters(const ModelShape& shape);

}  // namespace apollo
