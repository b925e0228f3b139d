#include "model/pre_norm_decoder.h"

#include "model/recompute.h"

namespace apollo {

RotationTable PreNormDecoder::rotation(int64_t first, int64_t length) const {
  (void)first;
  (void)length;
  return {};
}

at::Tensor PreNormDecoder::hidden(const DeviceBatch& batch, const LayerMap& blocks,
                                  const PassOptions& options) const {
  const int64_t length = batch.inputs_BT.size(1);
  const int64_t begin = options.cache == nullptr ? 0 : options.cache->length;
  check_length(spec(), begin + length);
  const Positions positions{rotation(begin, length), batch.documents_BT};
  const auto frozen = static_cast<size_t>(options.frozen_blocks);
  const auto embedded = [&] { return embed(batch.inputs_BT, begin, options); };
  const auto frozen_part = [&] {
    return run_blocks(embedded(), blocks, 0, frozen, positions, options).sum;
  };
  const at::Tensor x_BTW = frozen == 0 ? embedded() : without_gradient(frozen_part, options);
  const SumAndNorm last = run_blocks(x_BTW, blocks, frozen, blocks.size(), positions, options);
  if (options.cache != nullptr) options.cache->length += length;
  return last.norm.value;
}

at::Tensor PreNormDecoder::attend(const at::Tensor& qkv_BTX, const Place& place,
                                  const PassOptions& options) const {
  const AttentionPattern pattern{.heads = spec().shape.heads,
                                 .kv_heads = spec().shape.kv_heads(),
                                 .causal = true,
                                 .documents_BT = place.positions.documents_BT};
  if (options.cache != nullptr)
    return cached_attention(qkv_BTX, pattern, *options.cache, place.index, options.kernels);
  return multi_head_attention(
      qkv_BTX, pattern, dropout_at(DropoutSite::kAttentionWeights, place.index, spec(), options),
      options.kernels);
}

// Returns the stream after blocks [first, last) of the pass, and its final norm.
SumAndNorm PreNormDecoder::run_blocks(const at::Tensor& x_BTW, const LayerMap& blocks, size_t first,
                                      size_t last, const Positions& positions,
                                      const PassOptions& options) const {
  if (options.recompute) {
    const at::Tensor sum_BTW = recomputed_blocks(x_BTW, blocks, first, last, positions, options);
    return {sum_BTW, apply_norm(sum_BTW, final_norm(), options.kernels)};
  }
  // Each sum of the residual stream is computed together with the norm that reads it, which is the
  // first norm of the next block.
  const auto norm_of_block = [&](size_t i) -> const NormLayer& {
    return i < last ? first_norm(blocks[i]) : final_norm();
  };
  SumAndNorm stream{x_BTW, apply_norm(x_BTW, norm_of_block(first), options.kernels)};
  for (size_t i = first; i < last; ++i) {
    const Place place{static_cast<int64_t>(i), positions};
    stream = block(stream, blocks[i], norm_of_block(i + 1), place, options);
  }
  return stream;
}

// Returns the stream after these blocks. Each block is a function of one tensor here and computes
// its first norm itself.
at::Tensor PreNormDecoder::recomputed_blocks(at::Tensor x_BTW, const LayerMap& blocks, size_t first,
                                             size_t last, const Positions& positions,
                                             const PassOptions& options) const {
  for (size_t i = first; i < last; ++i) {
    const Place place{static_cast<int64_t>(i), positions};
    const auto run = [this, layer = blocks[i], place, options](const at::Tensor& x) {
      const SumAndNorm stream{x, apply_norm(x, first_norm(layer), options.kernels)};
      return block(stream, layer, /*next_norm=*/final_norm(), place, options).sum;
    };
    x_BTW = run_block(run, x_BTW, spec().dropout > 0.0, options);
  }
  return x_BTW;
}

}  // namespace apollo
