#include "progressive/memory.h"

#include <algorithm>
#include <bit>

#include "arch/hidden_matrices.h"
#include "base/element_range.h"
#include "config/objective.h"

namespace apollo {

namespace {

constexpr double kBytesFp32 = 4.0;
constexpr double kBytesBf16 = 2.0;

// How many numbers a block keeps per position: the results of its products except the scores, and
// one width for what its backward pass holds.
struct KeptByBlock {
  double all = 0.0;
  double at_targets = 0.0;  // only of products that the last block runs at targets
};

KeptByBlock kept_by_block(const ModelShape& shape) {
  KeptByBlock kept{.all = static_cast<double>(shape.width)};
  for (const MatrixProduct& product :
       describe(shape.architecture).block_products(shape, /*place=*/0)) {
    if (product.outer == MatrixProduct::kSequenceLength) continue;
    const auto numbers = static_cast<double>(product.kept * product.outer);
    kept.all += numbers;
    if (product.last_rows == ProductRows::kTargets) kept.at_targets += numbers;
  }
  return kept;
}

// Returns the bytes of state and activations of a pass of `depth` in a stage of `layers` layers.
double pass_bytes(const RunConfig& config, const ModelShape& shape, int64_t layers, int64_t depth,
                  int64_t rows) {
  const Recompute rule = config.train.recompute;
  const bool again = rule == Recompute::kAll || (rule == Recompute::kDeep && depth > layers);
  const int64_t num_passes = (config.train.batch_size + rows - 1) / rows;
  return state_bytes(config.train.optimizer, shape, layers) +
         summation_bytes(shape, layers, num_passes) +
         cast_bytes(config.train.precision, shape, layers) +
         activation_bytes(config, shape, depth, rows, again);
}

int64_t largest_that_fits(const RunConfig& config, const ModelShape& shape, int64_t layers,
                          int64_t depth, double budget_bytes) {
  const int64_t batch = config.train.batch_size;
  for (int64_t rows = batch; rows > 1; --rows) {
    if (batch % rows == 0 && pass_bytes(config, shape, layers, depth, rows) <= budget_bytes)
      return rows;
  }
  return 1;
}

}  // namespace

double state_bytes(OptimizerKind optimizer, const ModelShape& shape, int64_t layers) {
  const double gradients = kBytesFp32 * static_cast<double>(num_parameters(shape, layers));
  return checkpoint_bytes(optimizer, shape, layers) + gradients;
}

double summation_bytes(const ModelShape& shape, int64_t layers, int64_t num_passes) {
  const auto levels = std::bit_width(static_cast<uint64_t>(std::max<int64_t>(num_passes, 1) - 1));
  return kBytesFp32 * static_cast<double>(levels) *
         static_cast<double>(num_parameters(shape, layers));
}

double cast_bytes(Precision precision, const ModelShape& shape, int64_t layers) {
  if (precision != Precision::kBf16) return 0.0;
  return kBytesBf16 * static_cast<double>(num_parameters(shape, layers));
}

double moment_bytes(OptimizerKind optimizer, const ModelShape& shape, int64_t layers) {
  return shared_moment_bytes(optimizer, shape, layers, /*ranks=*/1);
}

// A range of the parameters may have one moment per element or two; those with two come first.
double shared_moment_bytes(OptimizerKind optimizer, const ModelShape& shape, int64_t layers,
                           int64_t ranks) {
  const auto parameters = static_cast<double>(num_parameters(shape, layers));
  double with_two = parameters;
  if (optimizer == OptimizerKind::kMuon) {
    with_two -= static_cast<double>(layers * num_hidden_parameters(shape));
  }
  const double part = parameters / static_cast<double>(ranks);
  return kBytesFp32 * (part + std::min(part, with_two));
}

double spared_bytes(const RunConfig& config, const ModelShape& shape, int64_t ranks) {
  if (!config.run.shard_optimizer) return 0.0;
  const OptimizerKind optimizer = config.train.optimizer;
  return moment_bytes(optimizer, shape, shape.layers) -
         shared_moment_bytes(optimizer, shape, shape.layers, ranks);
}

double exchange_bytes(const ModelShape& shape, int64_t layers) {
  const auto gradients = static_cast<double>(num_parameters(shape, layers));
  return 2.0 * kBytesFp32 * std::min(gradients, static_cast<double>(kExchangeElements));
}

double checkpoint_bytes(OptimizerKind optimizer, const ModelShape& shape, int64_t layers) {
  const auto parameters = static_cast<double>(num_parameters(shape, layers));
  return kBytesFp32 * parameters + moment_bytes(optimizer, shape, layers);
}

double activation_bytes(const RunConfig& config, const ModelShape& shape, int64_t depth,
                        int64_t rows, bool recompute) {
  const double tokens = static_cast<double>(rows) * static_cast<double>(shape.context);
  const double element = config.train.precision == Precision::kBf16 ? kBytesBf16 : kBytesFp32;
  // The two sums of the residual stream stay in fp32.
  const double sums = 2.0 * static_cast<double>(shape.width) * (kBytesFp32 - element);
  const KeptByBlock of_block = kept_by_block(shape);
  double per_token = of_block.all;
  if (config.run.kernels == Kernels::kReference) {
    per_token += 2.0 * static_cast<double>(shape.heads) * static_cast<double>(shape.context);
  }
  const double num_blocks = static_cast<double>(depth);
  const double of_one = element * per_token + sums;
  const double kept = recompute
                          ? num_blocks * static_cast<double>(shape.width) * kBytesFp32 + of_one
                          : num_blocks * of_one;
  const double targets = static_cast<double>(rows * targets_per_sequence(config));
  // The last block runs some products only at masked positions. With recomputation one block at a
  // time is computed again, so the largest block counts.
  const bool at_targets = ends_at_targets(shape) && !recompute && depth > 0;
  const double left_out =
      at_targets ? (element * of_block.at_targets + sums) * (tokens - targets) : 0.0;
  const double blocks = tokens * kept - left_out;
  const double logits = 2.0 * kBytesFp32 * targets * static_cast<double>(shape.vocab_size);
  return blocks + logits;
}

double needed_bytes(const RunConfig& config, const ModelShape& shape) {
  const int64_t rows = std::max<int64_t>(1, config.train.micro_batch_size);
  return pass_bytes(config, shape, shape.layers, shape.layers, rows);
}

int64_t choose_micro_batch(const RunConfig& config, const ModelShape& shape, double budget_bytes) {
  return largest_that_fits(config, shape, shape.layers, shape.layers, budget_bytes);
}

int64_t micro_batch_at_depth(const RunConfig& config, const ModelShape& shape, int64_t layers,
                             int64_t depth) {
  const int64_t rows = config.train.micro_batch_size;
  const double budget = pass_bytes(config, shape, shape.layers, shape.layers, rows);
  return std::max(rows, largest_that_fits(config, shape, layers, depth, budget));
}

}  // namespace apollo
