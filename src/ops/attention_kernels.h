// The loops behind attention.h: on the CPU, one head of one sequence after the other. row_kernels.h
// says how they are compiled and chosen, and what T is. Products and softmax are in float32.
//
// As in FlashAttention (Dao et al. 2022, algorithms 1 and 4; Dao 2023), the T x T weights exist
// only one block at a time. The forward pass keeps the logarithm of each row's sum of exponentials,
// from which the backward pass computes the weights again. Tiles that no position sees are skipped.
#pragma once

#include <cstdint>

#include "ops/dropout_draw.h"

namespace apollo {

// Queries, keys and values are the three parts of qkv, [B, T, H + 2 G, K], dense like all the
// others: H query heads, then G key heads and G value heads. Query head h reads key-value head
// h / (H / G). This is all but their elements.
struct AttentionPlan {
  int64_t length;        // T
  int64_t num_heads;     // H
  int64_t num_kv_heads;  // G
  int64_t head_width;    // K
  bool causal;
  int64_t window;  // a position sees others at most this far away; 0: all
  // Where the document of a position begins and ends in its row. It sees only positions in between.
  // Null: a row is one document.
  const int32_t* document_begins_BT;
  const int32_t* document_ends_BT;
  DropoutDraw dropout;  // of weights; rows are those of [B, H, T, T]
  float* log_sums_BHT;
};

template <class T>
struct AttentionHeads : AttentionPlan {
  const T* qkv_BTX;
  T* mixed_BTHK;
};

template <class T>
struct AttentionGradientHeads {
  AttentionHeads<T> forward;  // its results are inputs here
  const T* grad_mixed_BTHK;
  T* grad_qkv_BTX;
};

// Queries and keys are taken in blocks of this size, so that the parts of a block stay in the
// first-level cache.
constexpr int64_t kAttentionBlock = 64;

// Returns the number of floats of scratch memory that each loop needs.
int64_t attention_scratch_size(int64_t length, int64_t head_width);

// The loops over heads [begin, end). `attention` counts the B * H query heads; `attention_gradient`
// counts the B * G key-value heads, whose gradients are sums over the query heads that read them.
// `scratch` is aligned to 64 bytes.
template <class T>
struct AttentionKernels {
  void (*attention)(const AttentionHeads<T>& heads, int64_t begin, int64_t end, float* scratch);
  void (*attention_gradient)(const AttentionGradientHeads<T>& heads, int64_t begin, int64_t end,
                             float* scratch);
};

}  // namespace apollo
