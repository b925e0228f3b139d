// Parameters and exact floating-point operations, derived from an architecture's lists: 2*m*n*k for
// every matrix product that runs, backward = 2 x forward. Attention is counted as the full T x T
// scores and mixing, the field's convention, also where a causal kernel skips half. In a local
// block it is counted as the pairs of positions that see each other, whatever tiles a kernel
// computes around them. Element-wise work is not counted.
#pragma once

#include <cstdint>

#include "arch/architecture.h"

namespace apollo {

// Of the block in this place of a pass over `sequences` sequences of `length` tokens, forward.
// Blocks differ by their place only where some are local.
double layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length,
                           int64_t place = 0);
// The same of the last block of a pass whose loss reads `positions` positions in all.
double last_layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length,
                                int64_t positions, int64_t place = 0);
// Of the first `places` blocks of a pass, none of which is its last.
double first_layers_forward_flops(const ModelShape& shape, int64_t places, int64_t sequences,
                                  int64_t length);
// Of all blocks of a pass of `depth`, the loss on `positions` positions in all.
double layers_forward_flops(const ModelShape& shape, int64_t depth, int64_t sequences,
                            int64_t length, int64_t positions);
// Of the output head over `positions` positions, forward.
double head_forward_flops(const ModelShape& shape, int64_t positions);
// Of a whole forward pass of `depth` blocks, the loss on `positions` positions in all.
double forward_flops(const ModelShape& shape, int64_t depth, int64_t sequences, int64_t length,
                     int64_t positions);
// Forward and backward of one training pass over full sequences, of each of which the loss reads
// `targets` (see targets_per_sequence()): 3 x forward. `recompute`: the blocks run
// forward once more in the backward pass. The first `frozen` blocks only run forward.
double train_flops(const ModelShape& shape, int64_t depth, int64_t sequences, int64_t targets,
                   bool recompute = false, int64_t frozen = 0);

// Parameters of a model with `layers` unique layers, tied ones once.
int64_t num_parameters(const ModelShape& shape, int64_t layers);
// Of one block.
int64_t num_layer_parameters(const ModelShape& shape);

// Whether the last block of a pass leaves out what only positions would read that carry no loss.
bool ends_at_targets(const ModelShape& shape);

}  // namespace apollo
