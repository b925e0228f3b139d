// Multi-head self-attention by the best kernel of the device, and in its plain form. Several query
// heads may share one key-value head ("GQA", Ainslie et al. 2023).
#pragma once

#include <ATen/core/Tensor.h>

#include "config/run_config.h"
#include "ops/dropout_draw.h"

namespace apollo {

// How the blocks of one pass attend.
struct AttentionPattern {
  int64_t heads = 1;
  int64_t kv_heads = 0;  // key-value heads, a divisor of `heads`; 0: as many as `heads`
  bool causal = false;   // position t sees positions <= t
  int64_t window = 0;    // position t sees positions at most this far away; 0: all
  // int64: a position sees only positions of its row with the same number. Positions with the same
  // number stand side by side. Undefined: a row is one document.
  at::Tensor documents_BT = {};

  int64_t num_kv_heads() const { return kv_heads > 0 ? kv_heads : heads; }
};

// Returns softmax(q k^T / sqrt(K)) v for every head, with dropout on the weights. qkv: the
// projected queries, keys and values side by side, [B, T, X] with X = (heads + 2 kv_heads) K; each
// part has its heads side by side. The result has the query heads side by side, [B, T, heads * K].
// Query head h reads key-value head h / (heads / kv_heads).
//
// kFused: on the CPU, for float32 and for bf16 in mixed precision (mixed_precision.h), our own
// kernels (attention_kernels.h), else the device's fused kernel. Neither stores the T x T weights.
// Ours store no mask either: they skip the tiles that no position sees, and the dropout key gives
// the same dropout in both passes. The gradients of the kernels cannot be differentiated again;
// their results do not depend on the number of threads. kReference: matrix products and a softmax.
// Dropout on a CPU without our own kernels runs like this too, because the device's kernel takes no
// key.
at::Tensor multi_head_attention(const at::Tensor& qkv_BTX, const AttentionPattern& pattern,
                                const DropoutDraw& dropout, Kernels kernels);

}  // namespace apollo
