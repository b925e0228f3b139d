// The parts of a transformer block that architectures share.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/model.h"

namespace apollo {

// x W + b with W stored [in, out], as GPT-2's checkpoints do. x: [B, T, in] -> [B, T, out].
at::Tensor linear_in_out(const at::Tensor& x_BTW, const at::Tensor& weight, const at::Tensor& bias);

// How the blocks of one pass attend.
struct AttentionPattern {
  int64_t heads = 1;
  bool causal = false;
  at::Tensor visible_B1TT = {};  // see ops/attention.h; undefined: no restriction
};

// Multi-head self-attention of projected queries, keys and values side by side, [B, T, 3W]; heads
// are merged again: [B, T, W].
at::Tensor multi_head_attention(const at::Tensor& qkv_BTX, const AttentionPattern& pattern,
                                double dropout, Kernels kernels);

// Throws UsageError where a sequence is longer than the context.
void check_length(const ModelSpec& spec, int64_t length);

// Zeroes each element with this probability and scales the rest, while training.
at::Tensor apply_dropout(const at::Tensor& x, double dropout, const PassOptions& options);

}  // namespace apollo
