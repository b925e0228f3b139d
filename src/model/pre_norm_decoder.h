// Causal decoders whose blocks begin each of their branches with a norm: GPT-2, Llama, Qwen3. What
// a block computes is the architecture's; how its passes run is the same for all.
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
  // not), and the document of each as in DeviceBatch.
  struct Positions {
    RotationTable rotation = {};
    at::Tensor documents_BT = {};
  };

  // A block's place in the pass.
  struct Place {
    int64_t index = 0;
    Positions positions = {};
  };

  // The tokens' vectors, [B, T, W], the first of them at position `first`.
  virtual at::Tensor embed(const at::Tensor& inputs_BT, int64_t first,
                           const PassOptions& options) const = 0;
  // Of positions [first, first + length).
  virtual RotationTable rotation(int64_t first, int64_t length) const;
  virtual const NormLayer& first_norm(int64_t layer) const = 0;
  virtual const NormLayer& final_norm() const = 0;
  // The stream behind a block with the weights of `layer`, and its `next_norm`. `stream`: that
  // before it, with the block's first norm.
  virtual SumAndNorm block(const SumAndNorm& stream, int64_t layer, const NormLayer& next_norm,
                           const Place& place, const PassOptions& options) const = 0;

  // Causal multi_head_attention() of the block in this place, with the documents of the pass, and
  // with its dropout or its cache.
  at::Tensor attend(const at::Tensor& qkv_BTX, const Place& place,
                    const PassOptions& options) const;

 private:
  SumAndNorm run_blocks(const at::Tensor& x_BTW, const LayerMap& blocks, size_t first, size_t last,
                        const Positions& positions, const PassOptions& options) const;
  at::Tensor recomputed_blocks(at::Tensor x_BTW, const LayerMap& blocks, size_t first, size_t last,
                               const Positions& positions, const PassOptions& options) const;
};

}  // namespace apollo
