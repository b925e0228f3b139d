// Multi-head self-attention through the best kernel of the device, and its plain form. Several
// heads of queries may share one of keys and values ("GQA", Ainslie et al. 2023).
#pragma once

#include <ATen/core/Tensor.h>

#include "config/run_config.h"
#include "ops/dropout_draw.h"

namespace apollo {

// How the blocks of one pass attend.
struct AttentionPattern {
  int64_t heads = 1;
  int64_t kv_heads = 0;  // of keys and values, a divisor of `heads`; 0: as many
  bool causal = false;   // position t sees positions <= t
  int64_t window = 0;    // it sees only those at most so many positions away; 0: all
  // int64: a position sees only positions of its row with the same number. Positions with the same
  // number stand side by side. Undefined: a row is one document.
  at::Tensor documents_BT = {};

  int64_t num_kv_heads() const { return kv_heads > 0 ? kv_heads : heads; }
};

// softmax(q k^T / sqrt(K)) v for every head, with dropout on the weights. qkv: projected queries,
// keys and values side by side, [B, T, X], X = (heads + 2 kv_heads) K, each the heads side by side;
// returns the heads of the queries side by side, [B, T, heads * K]. Head h reads head
// h / (heads / kv_heads) of the keys and values.
//
// kFused: own kernels (attention_kernels.h) for float32 on the CPU outside automatic mixed
// precision, else the device's fused kernel. Neither holds the T x T weights. The own kernels hold
// no mask either: they skip the tiles that no position sees, and a draw's key gives the dropout in
// both passes. Their gradients can't be differentiated again; their results do not depend on the
// number of threads. kReference: matrix products and a softmax. So is dropout on a CPU without own
// kernels, where the device's kernel takes no key.
at::Tensor multi_head_attention(const at::Tensor& qkv_BTX, const AttentionPattern& pattern,
                                const DropoutDraw& dropout, Kernels kernels);

}  // namespace apollo
