// Estimates what a run keeps in memory, from shapes.
#pragma once

#include <cstdint>

#include "arch/counts.h"
#include "config/run_config.h"

namespace apollo {

// Returns the bytes of parameters, gradients and moments in fp32. A parameter with two moments
// takes 16 bytes, a hidden matrix of Muon with its one moment 12 per element. Exact.
double state_bytes(OptimizerKind optimizer, const ModelShape& shape, int64_t layers);

// Returns the bytes of gradient sums that wait while other micro-batches run. Passes are added in
// halves: the first half's sum waits while the second half runs, and so on down. That is 4 bytes
// per parameter for each halving of `num_passes` (train/training_passes.h). Exact.
double summation_bytes(const ModelShape& shape, int64_t layers, int64_t num_passes);

// Returns the bytes of the weights' copies in bf16, with which a step in mixed precision
// multiplies. An upper bound: weights of norms and tables of positions have none.
double cast_bytes(Precision precision, const ModelShape& shape, int64_t layers);

// Returns the bytes of only the moments: 8 per parameter, 4 for the hidden matrices of Muon. Exact.
double moment_bytes(OptimizerKind optimizer, const ModelShape& shape, int64_t layers);

// Returns the bytes of moments at the rank that keeps the most, if `ranks` share them out by
// run.shard_optimizer. Exact for AdamW. With Muon it may be one matrix more, which stays whole.
double shared_moment_bytes(OptimizerKind optimizer, const ModelShape& shape, int64_t layers,
                           int64_t ranks);

// Returns what run.shard_optimizer saves a rank of the final model; 0 without that key.
double spared_bytes(const RunConfig& config, const ModelShape& shape, int64_t ranks);

// Returns what an exchange between ranks keeps besides the gradients: what it sends and receives at
// one time, up to 32 MiB. Exact.
double exchange_bytes(const ModelShape& shape, int64_t layers);

// Returns the size of the copy in host memory from which a checkpoint is written while training
// goes on: parameters and moments. Exact.
double checkpoint_bytes(OptimizerKind optimizer, const ModelShape& shape, int64_t layers);

// Returns the bytes that one training pass of `rows` sequences at `depth` keeps for its backward
// pass. This is an estimate. It counts, for each token, the results of a block's products (two
// residual sums, QKV, attention, the MLP before its activation) and one width for what the backward
// pass of a block holds; for GPT-2 that is 11 widths. In bf16 the sums stay fp32. The scores count
// twice if no fused kernel avoids them. The head adds the logits and their gradient in fp32.
// `recompute`: one width per token and block, and one whole block while it is computed again.
double activation_bytes(const RunConfig& config, const ModelShape& shape, int64_t depth,
                        int64_t rows, bool recompute = false);

// Returns the least memory that a run needs: state and activations of its final model at full
// depth, in passes of micro_batch_size (of one sequence if that is 0). An estimate like its parts.
double needed_bytes(const RunConfig& config, const ModelShape& shape);

// For micro_batch_size = 0: returns the largest divisor of train.batch_size with which state and
// activations of the final model at full depth fit into `budget_bytes`; 1 if none does.
int64_t choose_micro_batch(const RunConfig& config, const ModelShape& shape, double budget_bytes);

// For micro_batch_by_depth: returns the largest divisor of train.batch_size with which state and
// activations of a pass of `depth` in a stage of `layers` layers need no more than the final model
// at full depth with micro_batch_size. It is never less than that size.
int64_t micro_batch_at_depth(const RunConfig& config, const ModelShape& shape, int64_t layers,
                             int64_t depth);

}  // namespace apollo
