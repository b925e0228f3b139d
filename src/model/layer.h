// The parts of a transformer block that architectures share.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/model.h"

namespace apollo {

// x W + b with W stored [in, out], as GPT-2's checkpoints do. x: [B, T, in] -> [B, T, out].
at::Tensor linear_in_out(const at::Tensor& x_BTW, const at::Tensor& weight, const at::Tensor& bias);

// Multi-head self-attention of projected queries, keys and values, each [B, T, W]; heads are
// merged again: [B, T, W].
at::Tensor multi_head_attention(const at::Tensor& q_BTW, const at::Tensor& k_BTW,
                                const at::Tensor& v_BTW, int64_t heads, bool causal, double dropout,
                                Kernels kernels);

// Zeroes each element with this probability and scales the rest, while training.
at::Tensor apply_dropout(const at::Tensor& x, double dropout, const PassOptions& options);

}  // namespace apollo
