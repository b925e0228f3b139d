// The output head: a linear layer into the vocabulary and the cross-entropy of its result.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/run_config.h"

namespace apollo {

// x W^T + b. weight: [V, W] float32; bias: [V] float32, or undefined for none.
struct OutputLayer {
  at::Tensor weight_VW;
  at::Tensor bias_V;
};

// Sum over rows of -log softmax(x W^T + b)[target], in nats: a scalar in float32.
// x: [M, W] (float32 or bfloat16), targets: [M] int64, each in [0, V).
//
// kFused works through the rows in chunks and forms the gradient of a chunk while its logits are
// at hand, so that neither the M x V logits nor their gradient ever exist as a whole; what is kept
// for the backward pass is [M, W] + [V, W]. The gradient is exact: the loss is a sum, so the
// incoming gradient is one factor; that of the weight is added in place where it can be
// (gradient_buffer.h). kReference: linear, log-softmax and gather, by autograd.
at::Tensor linear_cross_entropy(const at::Tensor& x_MW, const OutputLayer& output,
                                const at::Tensor& targets_M, Kernels kernels);

// What the layer thinks of each target.
struct TargetScores {
  at::Tensor log_probability_M;  // float32, nats
  at::Tensor is_top_M;           // bool: nothing is more likely than the target
};

// The same row by row, without gradient.
TargetScores linear_target_scores(const at::Tensor& x_MW, const OutputLayer& output,
                                  const at::Tensor& targets_M);

}  // namespace apollo
