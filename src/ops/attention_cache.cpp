#include "ops/attention_cache.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>

#include <cmath>
#include <limits>

namespace apollo {

at::Tensor cached_attention(const at::Tensor& qkv_BTX, const AttentionPattern& pattern,
                            AttentionCache& cache, int64_t index, Kernels kernels) {
  const int64_t batch = qkv_BTX.size(0);
  const int64_t length = qkv_BTX.size(1);
  const int64_t kv_heads = pattern.num_kv_heads();
  const int64_t group = pattern.heads / kv_heads;
  const auto parts = qkv_BTX.reshape({batch, length, pattern.heads + 2 * kv_heads, -1})
                         .transpose(1, 2)
                         .split_with_sizes({pattern.heads, kv_heads, kv_heads}, 1);
  const int64_t width = parts[0].size(3);
  AttentionCache::Block& block = cache.blocks.at(static_cast<size_t>(index));
  if (!block.keys_BGCK.defined()) {
    block.keys_BGCK = at::empty({batch, kv_heads, cache.capacity, width}, qkv_BTX.options());
    block.values_BGCK = at::empty_like(block.keys_BGCK);
  }
  block.keys_BGCK.narrow(2, cache.length, length).copy_(parts[1]);
  block.values_BGCK.narrow(2, cache.length, length).copy_(parts[2]);
  if (cache.length == 0) return multi_head_attention(qkv_BTX, pattern, /*dropout=*/{}, kernels);

  const int64_t seen = cache.length + length;
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  // Query heads that share keys stand next to each other, so their queries are rows of one product.
  const at::Tensor queries_BGRK =
      parts[0].reshape({batch, kv_heads, group * length, width}) * scale;
  at::Tensor scores_BGRS =
      at::matmul(queries_BGRK, block.keys_BGCK.narrow(2, 0, seen).transpose(2, 3));
  if (length > 1) {
    const at::Tensor future_TS =
        at::ones({length, seen}, qkv_BTX.options().dtype(at::kBool)).triu(cache.length + 1);
    scores_BGRS = scores_BGRS.masked_fill(future_TS.repeat({group, 1}),
                                          -std::numeric_limits<double>::infinity());
  }
  return at::matmul(at::softmax(scores_BGRS, -1), block.values_BGCK.narrow(2, 0, seen))
      .reshape({batch, pattern.heads, length, width})
      .transpose(1, 2)
      .reshape({batch, length, -1});
}

}  // namespace apollo
