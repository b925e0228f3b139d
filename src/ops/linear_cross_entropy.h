// The output head: a linear layer into the vocabulary and the cross-entropy of its result.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/run_config.h"

namespace apollo {

// Sum over rows of -log softmax(x W^T)[target], in nats: a scalar in float32.
// x: [N, W] (float32 or bfloat16), weight: [V, W] float32, targets: [N] int64, each in [0, V).
//
// kFused works through the rows in chunks and forms the gradient of a chunk while its logits are
// at hand, so that neither the N x V logits nor their gradient ever exist as a whole; what is kept
// for the backward pass is [N, W] + [V, W]. The gradient is exact: the loss is a sum, so the
// incoming gradient is one factor. kReference: linear, log-softmax and gather, by autograd.
at::Tensor linear_cross_entropy(const at::Tensor& x_NW, const at::Tensor& weight_VW,
                                const at::Tensor& targets_N, Kernels kernels);

// The same row by row, without gradient: log softmax(x W^T)[target], [N], float32.
at::Tensor linear_log_probability(const at::Tensor& x_NW, const at::Tensor& weight_VW,
                                  const at::Tensor& targets_N);

}  // namespace apollo
