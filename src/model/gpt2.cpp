// GPT-2 (Radford et al. 2019) exactly as `transformers` computes GPT2LMHeadModel: pre-LN blocks,
// learned positions, tied head, tanh-approximated GELU, biases, dropout on the embedding, the
// attention weights and both residual branches.

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>

#include "model/models.h"
#include "model/pre_norm_decoder.h"
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

class Gpt2 final : public PreNormDecoder {
 public:
  Gpt2(const ModelSpec& spec, int64_t num_layers, at::Device device)
      : PreNormDecoder(spec, num_layers, device) {
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

 private:
  OutputLayer output_layer() const override { return {token_embedding_, {}}; }

  at::Tensor embed(const at::Tensor& inputs_BT, int64_t first,
                   const PassOptions& options) const override {
    const at::Tensor positions_T =
        at::arange(first, first + inputs_BT.size(1), inputs_BT.options());
    const at::Tensor x_BTW = at::embedding(token_embedding_, inputs_BT) +
                             at::embedding(position_embedding_, positions_T);
    return dropout(x_BTW, dropout_at(DropoutSite::kEmbedding, 0, spec(), options), options.kernels);
  }

  const NormLayer& first_norm(int64_t layer) const override { return weights(layer).ln_1; }
  const NormLayer& final_norm() const override { return final_norm_; }

  const BlockWeights& weights(int64_t layer) const {
    return blocks_.at(static_cast<size_t>(layer));
  }

  SumAndNorm block(const SumAndNorm& stream, int64_t layer, const NormLayer& next_norm,
                   const Place& place, const PassOptions& options) const override {
    const BlockWeights& w = weights(layer);
    const auto dropout = [&](DropoutSite site) {
      return dropout_at(site, place.index, spec(), options);
    };
    const at::Tensor mixed_BTW =
        attend(linear(stream.norm, w.attn, options.kernels), place, options);
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
