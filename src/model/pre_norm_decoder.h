// Causal decoders in which every branch of a block begins with a norm: GPT-2, Llama, Qwen3. The
// architecture defines what a block computes; the passes run the same way for all.
#pragma once

#include "model/layer.h"
#include "ops/attention.h"
#include "ops/rotation.h"

namespace apollo {

class PreNormDecoder : public LanguageModel {
 public:
  at::Tensor hidden(const DeviceBatch& batch, const LayerMap& blocks,
                    const PassOptions& options) const final;

 protected:
  PreNormDecoder(const ModelSpec& spec, int64_t num_layers, at::Device device)
      : LanguageModel(spec, num_layers, device) {}

  // What all blocks of a pass know of its positions: how they rotate (undefined tensors: they do
  // not), and the documents of DeviceBatch.
  struct Positions {
    RotationTable rotation = {};
    at::Tensor documents_BT = {};
  };

  // A block's place in the pass.
  struct Place {
    int64_t index = 0;
    Positions positions = {};
  };

  // Returns the tokens' vectors, [B, T, W]; the first token is at position `first`.
  virtual at::Tensor embed(const at::Tensor& inputs_BT, int64_t first,
                           const PassOptions& options) const = 0;
  // Returns the rotation of positions [first, first + length).
  virtual RotationTable rotation(int64_t first, int64_t length) const;
  virtual const NormLayer& first_norm(int64_t layer) const = 0;
  virtual const NormLayer& final_norm() const = 0;
  // Runs a block with the weights of `layer`. `stream` is the residual stream before it, with the
  // block's first norm. Returns the stream after it, with `next_norm` of that.
  virtual SumAndNorm block(const SumAndNorm& stream, int64_t layer, const NormLayer& next_norm,
                           const Place& place, const PassOptions& options) const = 0;

  // Runs causal multi_head_attention() of the block at this place, with the pass's documents and
  // its dropout or its cache.
  at::Tensor attend(const at::Tensor& qkv_BTX, const Place& place,
                    const PassOptions& options) const;

 private:
  SumAndNorm run_blocks(const at::Tensor& x_BTW, const LayerMap& blocks, size_t first, size_t last,
                        const Positions& positions, const PassOptions& options) const;
  at::Tensor recomputed_blocks(at::Tensor x_BTW, const LayerMap& blocks, size_t first, size_t last,
                               const Positions& positions, const PassOptions& options) const;
};

}  // namespace apollo
