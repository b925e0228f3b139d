// Parameters and exact floating-point operations, derived from an architecture's lists. A matrix
// product counts 2*m*n*k, and backward counts twice forward. Attention counts as the full T x T
// scores and mixing, which is the field's convention, even if a causal kernel skips half of it. In
// a local block only the pairs of positions that see each other count, whatever tiles a kernel
// computes around them. Element-wise work is not counted.
#pragma once

#include <cstdint>

#include "arch/architecture.h"

namespace apollo {

// Returns the forward FLOPs of the block at this place of a pass over `sequences` sequences of
// `length` tokens. The place matters only for models with local blocks.
double layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length,
                           int64_t place = 0);
// The same for the last block of a pass, whose loss reads `positions` positions in total.
double last_layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length,
                                int64_t positions, int64_t place = 0);
// The same for the first `places` blocks of a pass, none of which is its last.
double first_layers_forward_flops(const ModelShape& shape, int64_t places, int64_t sequences,
                                  int64_t length);
// The same for all `depth` blocks of a pass whose loss reads `positions` positions in total.
double layers_forward_flops(const ModelShape& shape, int64_t depth, int64_t sequences,
                            int64_t length, int64_t positions);
// Returns the forward FLOPs of the output head over `positions` positions.
double head_forward_flops(const ModelShape& shape, int64_t positions);
// Returns the FLOPs of a whole forward pass of `depth` blocks: layers and output head.
double forward_flops(const ModelShape& shape, int64_t depth, int64_t sequences, int64_t length,
                     int64_t positions);
// Returns the FLOPs, forward and backward (3 x forward), of one training pass over full sequences
// whose loss reads `targets` positions in each (see targets_per_sequence()). `recompute`: the
// blocks run forward once more during the backward pass. The first `frozen` blocks run forward
// only.
double train_flops(const ModelShape& shape, int64_t depth, int64_t sequences, int64_t targets,
                   bool recompute = false, int64_t frozen = 0);

// Returns the parameters of a model with `layers` unique layers; tied ones count once.
int64_t num_parameters(const ModelShape& shape, int64_t layers);
// Returns the parameters of one block.
int64_t num_layer_parameters(const ModelShape& shape);

// Returns whether the last block of a pass skips work at positions that carry no loss.
bool ends_at_targets(const ModelShape& shape);

}  // namespace apollo
