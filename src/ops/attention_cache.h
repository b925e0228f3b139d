// Attention for tokens that come one after the other, as in text generation. The keys and values of
// earlier tokens are kept, so that a new token costs one row of every product instead of all rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "ops/attention.h"

namespace apollo {

struct AttentionCache {
  // One block of a pass: [B, kv_heads, capacity, K]; undefined before the first tokens.
  struct Block {
    at::Tensor keys_BGCK;
    at::Tensor values_BGCK;
  };

  int64_t capacity = 0;  // the number of tokens that fit
  int64_t length = 0;    // the number of tokens that all blocks have read
  std::vector<Block> blocks = {};

  AttentionCache(int64_t capacity, size_t num_blocks) : capacity(capacity), blocks(num_blocks) {}
};

// Runs multi_head_attention() with a causal pattern, without dropout and gradient, for the
// positions after cache.length. Their keys and values are added to those of block `index`. qkv:
// [B, T, X], for which there must be room; returns [B, T, heads * K]. The caller raises
// cache.length after the last block.
at::Tensor cached_attention(const at::Tensor& qkv_BTX, const AttentionPattern& pattern,
                            AttentionCache& cache, int64_t index, Kernels kernels);

}  // namespace apollo
