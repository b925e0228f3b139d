// GPT-2 (Radford et al. 2019) exactly as `transformers` computes GPT2LMHeadModel: pre-LN blocks,
// learned positions, tied head, tanh-approximated GELU, biases, dropout on the embedding, the
// attention weights and both residual branches.

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>

#include "model/layer.h"
#include "model/models.h"
#include "model/recompute.h"
#include "ops/attention.h"
#include "ops/dropout.h"

namespace apollo {
namespace {

struct BlockWeights {
  NormLayer ln_1;
  LinearLayer attn;  // queries, keys and values side by side
  LinearLayer attn_proj;
  NormLayer ln_2;
  LinearLayer mlp_fc;
  LinearLayer mlp_proj;
};

class Gpt2 final : public LanguageModel {
 public:
  Gpt2(const ModelSpec& spec, int64_t num_layers, at::Device device)
      : LanguageModel(spec, num_layers, device) {
    const ParameterSet& p = parameters();
    token_embedding_ = p.tensor("transformer.wte.weight");
    position_embedding_ = p.tensor("transformer.wpe.weight");
    const auto norm = [&](const std::string& part, int64_t layer) -> NormLayer {
      return {p.part(part + ".weight", layer), p.part(part + ".bias", layer), spec.norm_epsilon};
    };
    const auto linear = [&](const std::string& part, int64_t layer) -> LinearLayer {
      return {p.part(part + ".weight", layer), p.part(part + ".bias", layer)};
    };
    final_norm_ = norm("ln_f", -1);
    for (int64_t i = 0; i < num_layers; ++i) {
      blocks_.push_back({norm("ln_1", i), linear("attn.c_attn", i), linear("attn.c_proj", i),
                         norm("ln_2", i), linear("mlp.c_fc", i), linear("mlp.c_proj", i)});
    }
  }

  at::Tensor hidden(const DeviceBatch& batch, const LayerMap& blocks,
                    const PassOptions& options) const override {
    const auto frozen = static_cast<size_t>(options.frozen_blocks);
    const auto embedded = [&] { return embed(batch, options); };
    const auto frozen_part = [&] { return run_blocks(embedded(), blocks, 0, frozen, options).sum; };
    const at::Tensor x_BTW = frozen == 0 ? embedded() : without_gradient(frozen_part, options);
    return run_blocks(x_BTW, blocks, frozen, blocks.size(), options).norm.value;
  }

 private:
  OutputLayer output_layer() const override { return {token_embedding_, {}}; }

  at::Tensor embed(const DeviceBatch& batch, const PassOptions& options) const {
    const int64_t length = batch.inputs_BT.size(1);
    check_length(spec(), length);
    const at::Tensor positions_T = at::arange(length, batch.inputs_BT.options());
    const at::Tensor x_BTW = at::embedding(token_embedding_, batch.inputs_BT) +
                             at::embedding(position_embedding_, positions_T);
    return dropout(x_BTW, dropout_at(DropoutSite::kEmbedding, 0, spec(), options), options.kernels);
  }

  // The stream behind blocks [first, last) of the pass, and its final norm.
  SumAndNorm run_blocks(const at::Tensor& x_BTW, const LayerMap& blocks, size_t first, size_t last,
                        const PassOptions& options) const {
    if (options.recompute) {
      const at::Tensor sum_BTW = recomputed_blocks(x_BTW, blocks, first, last, options);
      return {sum_BTW, layer_norm(sum_BTW, final_norm_, options.kernels)};
    }
    // Each sum of the residual stream is formed together with the norm that reads it: the next
    // block's first.
    const auto norm_of_block = [&](size_t i) -> const NormLayer& {
      return i < last ? weights(blocks[i]).ln_1 : final_norm_;
    };
    SumAndNorm stream{x_BTW, layer_norm(x_BTW, norm_of_block(first), options.kernels)};
    for (size_t i = first; i < last; ++i)
      stream = block(stream, weights(blocks[i]), norm_of_block(i + 1), i, options);
    return stream;
  }

  const BlockWeights& weights(int64_t layer) const {
    return blocks_.at(static_cast<size_t>(layer));
  }

  // The last sum of the stream; blocks are functions of one tensor here, each with its first norm.
  at::Tensor recomputed_blocks(at::Tensor x_BTW, const LayerMap& blocks, size_t first, size_t last,
                               const PassOptions& options) const {
    for (size_t i = first; i < last; ++i) {
      const BlockWeights& w = weights(blocks[i]);
      const auto run = [this, &w, i, options](const at::Tensor& x) {
        const SumAndNorm stream{x, layer_norm(x, w.ln_1, options.kernels)};
        return block(stream, w, /*next_norm=*/final_norm_, i, options).sum;
      };
      x_BTW = run_block(run, x_BTW, spec().dropout > 0.0, options);
    }
    return x_BTW;
  }

  // The stream behind the block in this place, of which `stream` is the stream before, with its
  // ln_1.
  SumAndNorm block(const SumAndNorm& stream, const BlockWeights& w, const NormLayer& next_norm,
                   size_t place, const PassOptions& options) const {
    const auto dropout = [&](DropoutSite site) {
      return dropout_at(site, static_cast<int64_t>(place), spec(), options);
    };
    const at::Tensor mixed_BTW = multi_head_attention(
        linear(stream.norm, w.attn, options.kernels), {.heads = spec().shape.heads, .causal = true},
        dropout(DropoutSite::kAttentionWeights), options.kernels);
    const SumAndNorm attended =
        add_linear_and_norm(stream.sum, mixed_BTW, scaled(w.attn_proj, options.branch_scale),
                            w.ln_2, dropout(DropoutSite::kAttentionBranch), options.kernels);
    return add_mlp_and_norm(attended.sum, attended.norm, w.mlp_fc, GeluKind::kTanh,
                            scaled(w.mlp_proj, options.branch_scale), next_norm,
                            dropout(DropoutSite::kMlpBranch), options.kernels);
  }

  at::Tensor token_embedding_, position_embedding_;
  NormLayer final_norm_;
  std::vector<BlockWeights> blocks_;
};

}  // namespace

std::pair<Architecture, ModelFactory> gpt2_model() {
  return {Architecture::kGpt2,
          [](const ModelSpec& spec, int64_t num_layers,
             at::Device device) -> std::unique_ptr<LanguageModel> {
            return std::make_unique<Gpt2>(spec, num_layers, device);
          }};
}

}  // namespace apollo
