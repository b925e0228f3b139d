// Attention of tokens that come one after the other, as when a model writes on: keys and values of
// those before are kept, so that a token costs one row of every product in place of all.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "ops/attention.h"

namespace apollo {

struct AttentionCache {
  // Of one block of a pass. [B, kv_heads, capacity, K]; undefined before the first tokens.
  struct Block {
    at::Tensor keys_BGCK;
    at::Tensor values_BGCK;
  };

  int64_t capacity = 0;  // tokens that have room
  int64_t length = 0;    // tokens read by all blocks
  std::vector<Block> blocks = {};

  AttentionCache(int64_t capacity, size_t num_blocks) : capacity(capacity), blocks(num_blocks) {}
};

// multi_head_attention() of a causal pattern, without dropout and gradient, of the positions behind
// cache.length, whose keys and values are added to those of block `index`. qkv: [B, T, X], for
// which there must be room; returns [B, T, heads * K]. The caller raises cache.length after the
// last block.
at::Tensor cached_attention(const at::Tensor& qkv_BTX, const AttentionPattern& pattern,
                            AttentionCache& cache, int64_t index, Kernels kernels);

}  // namespace apollo
