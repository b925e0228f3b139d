// The output head: a linear layer into the vocabulary and the cross-entropy of its result.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/run_config.h"

namespace apollo {

// The layer x W^T + b. weight: [V, W] float32; bias: [V] float32, or undefined for none.
struct OutputLayer {
  at::Tensor weight_VW;
  at::Tensor bias_V;
};

// Returns the sum over rows of -log softmax(x W^T + b)[target], in nats: a scalar in float32.
// x: [M, W] (float32 or bfloat16); targets: [M] int64, each in [0, V).
//
// kFused works through the rows in chunks and computes the gradient of a chunk while its logits are
// at hand. So neither the M x V logits nor their gradient ever exist as a whole, and
// [M, W] + [V, W] is kept for the backward pass. The gradient is exact: the loss is a sum, so the
// incoming gradient is one factor. The gradient of the weight is added in place if possible
// (gradient_buffer.h). kReference runs linear, log-softmax and gather with autograd.
at::Tensor linear_cross_entropy(const at::Tensor& x_MW, const OutputLayer& output,
                                const at::Tensor& targets_M, Kernels kernels);

// How likely the layer finds each target.
struct TargetScores {
  at::Tensor log_probability_M;  // float32, nats
  at::Tensor is_top_M;           // bool: no token is more likely than the target
};

// Scores each row's target, without gradient.
TargetScores linear_target_scores(const at::Tensor& x_MW, const OutputLayer& output,
                                  const at::Tensor& targets_M);

}  // namespace apollo
