// Multi-head self-attention through the best kernel of the device, and its plain form.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/run_config.h"
#include "ops/dropout_draw.h"

namespace apollo {

// How the blocks of one pass attend.
struct AttentionPattern {
  int64_t heads = 1;
  bool causal = false;  // position t sees positions <= t
  // Bool: which positions (last dimension) each position sees; undefined: all. Not together with
  // `causal`. Every position must see at least one.
  at::Tensor visible_B1TT = {};
};

// softmax(q k^T / sqrt(K)) v for every head, with dropout on the weights. qkv: projected queries,
// keys and values side by side, [B, T, 3W], each of `heads` heads side by side, W = heads * K;
// returns the heads side by side, [B, T, W].
//
// kFused: own kernels (attention_kernels.h) for float32 on the CPU outside automatic mixed
// precision, else the device's fused kernel; neither holds the T x T weights, nor the own ones a
// dropout mask: its key gives it in both passes. The kernels' gradients can't be differentiated
// again; their results do not depend on the number of threads. kReference: matrix products and a
// softmax. So is dropout on a CPU without own kernels, where the device's kernel takes no key.
at::Tensor multi_head_attention(const at::Tensor& qkv_BTX, const AttentionPattern& pattern,
                                const DropoutDraw& dropout, Kernels kernels);

}  // namespace apollo
