// What a run keeps in memory, estimated from shapes.
#pragma once

#include <cstdint>

#include "arch/counts.h"
#include "config/run_config.h"

namespace apollo {

// Parameters, gradients and moments in fp32: 16 bytes each with two moments, 12 for the hidden
// matrices of Muon, which have one. Exact.
double state_bytes(OptimizerKind optimizer, const ModelShape& shape, int64_t layers);

// Gradients of the first half of a step's passes while the second half runs, and of the halves of
// these: 4 bytes a parameter for each halving of `num_passes` (train/training_passes.h). Exact.
double summation_bytes(const ModelShape& shape, int64_t layers, int64_t num_passes);

// The moments of these: 8 bytes a parameter, 4 for the hidden matrices of Muon. Exact.
double moment_bytes(OptimizerKind optimizer, const ModelShape& shape, int64_t layers);

// The moments that the rank with the most of them keeps where `ranks` share them out by
// run.shard_optimizer. Exact for AdamW; with Muon up to one matrix more, which stays whole.
double shared_moment_bytes(OptimizerKind optimizer, const ModelShape& shape, int64_t layers,
                           int64_t ranks);

// What run.shard_optimizer spares a rank of the final model; 0 without it.
double spared_bytes(const RunConfig& config, const ModelShape& shape, int64_t ranks);

// What an exchange between ranks keeps beside the gradients: what it sends and what it receives at
// a time, up to 32 MiB. Exact.
double exchange_bytes(const ModelShape& shape, int64_t layers);

// The copy in host memory that a checkpoint is written from while training goes on: parameters and
// moments. Exact.
double checkpoint_bytes(OptimizerKind optimizer, const ModelShape& shape, int64_t layers);

// Kept by one training pass of `rows` sequences at `depth` for its backward pass. An estimate:
// the results of a block's products for each token (two residual sums, QKV, attention, the MLP
// before its activation), one width for what the backward pass of a block holds (for GPT-2 11
// widths in all), the scores twice where no fused kernel avoids them, and the logits with their
// gradient in fp32 for the head. `recompute`: one width a token and block, and one block as a whole
// while it is computed again.
double activation_bytes(const RunConfig& config, const ModelShape& shape, int64_t depth,
                        int64_t rows, bool recompute = false);

// The least that a run takes: state and activations of its final model at full depth, in passes of
// micro_batch_size, where it is 0 of one sequence. An estimate, as its parts.
double needed_bytes(const RunConfig& config, const ModelShape& shape);

// micro_batch_size = 0: the largest divisor of train.batch_size with which state and activations
// of the final model at full depth fit into `budget_bytes`; 1 where none does.
int64_t choose_micro_batch(const RunConfig& config, const ModelShape& shape, double budget_bytes);

// micro_batch_by_depth: the largest divisor of train.batch_size with which state and activations of
// a pass of `depth` in a stage of `layers` layers fit into what the final model takes at full depth
// with micro_batch_size; never less than that size.
int64_t micro_batch_at_depth(const RunConfig& config, const ModelShape& shape, int64_t layers,
                             int64_t depth);

}  // namespace apollo
