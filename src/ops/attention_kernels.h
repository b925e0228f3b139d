// The loops under attention.h: float32 on the CPU, one head of one sequence after the other.
// row_kernels.h says how they are compiled and chosen.
//
// As in FlashAttention (Dao et al. 2022, algorithms 1 and 4; Dao 2023) the T x T weights exist one
// block at a time: the forward pass keeps the logarithm of each row's sum of exponentials, by which
// the backward pass forms the weights again. What no position sees is not computed, to the tile.
#pragma once

#include <cstdint>

#include "ops/dropout_draw.h"

namespace apollo {

// Queries, keys and values are the three parts of qkv, [B, T, H + 2 G, K], dense like all the
// others: H heads of queries, then G of keys and as many of values. Head h of the queries reads
// head h / (H / G) of the keys and values.
struct AttentionHeads {
  int64_t length;        // T
  int64_t num_heads;     // H
  int64_t num_kv_heads;  // G
  int64_t head_width;    // K
  bool causal;
  int64_t window;  // a position sees only those at most so many positions away; 0: all
  // Where the document of a position begins and ends in its row: it sees only positions in between.
  // Null: a row is one document.
  const int32_t* document_begins_BT;
  const int32_t* document_ends_BT;
  DropoutDraw dropout;  // of weights; rows are those of [B, H, T, T]
  const float* qkv_BTX;
  float* mixed_BTHK;
  float* log_sums_BHT;
};

struct AttentionGradientHeads {
  AttentionHeads forward;  // its results are read
  const float* grad_mixed_BTHK;
  float* grad_qkv_BTX;
};

// Queries and keys are taken in blocks of this many: the parts of a block stay in the first-level
// cache.
constexpr int64_t kAttentionBlock = 64;

// Floats of scratch memory that each of the loops needs.
int64_t attention_scratch_size(int64_t length, int64_t head_width);

// The loops over heads [begin, end): of the B * H of the queries, and for the gradient of the B * G
// of the keys and values, whose gradients are sums over the heads that read them. `scratch` is
// aligned to 64 bytes.
struct AttentionKernels {
  void (*attention)(const AttentionHeads& heads, int64_t begin, int64_t end, float* scratch);
  void (*attention_gradient)(const AttentionGradientHeads& heads, int64_t begin, int64_t end,
                             float* scratch);
};

}  // namespace apollo
