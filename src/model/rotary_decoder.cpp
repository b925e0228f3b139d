// Llama and Qwen3 exactly as `transformers` computes LlamaForCausalLM and Qwen3ForCausalLM: RMSNorm
// before each branch, no biases, rotary positions, fewer key-value heads than query heads, SwiGLU,
// and dropout on the attention weights. Qwen3 normalises each head of queries and keys before
// rotation.
#include <ATen/ops/embedding.h>

#include "model/models.h"
#include "model/pre_norm_decoder.h"
#include "ops/gated_linear.h"

namespace apollo {
namespace {

struct BlockWeights {
  NormLayer input_norm;
  LinearLayer qkv;  // queries, keys and values side by side
  HeadNorms head_norms;
  LinearLayer attn_proj;
  NormLayer mlp_norm;
  LinearLayer gate_up;
  LinearLayer down;
};

class RotaryDecoder final : public PreNormDecoder {
 public:
  RotaryDecoder(const ModelSpec& spec, int64_t num_layers, at::Device device)
      : PreNormDecoder(spec, num_layers, device),
        frequencies_(rotation_frequencies(spec.rope, spec.shape.head_dim()).to(device)) {
    const ParameterSet& p = parameters();
    token_embedding_ = p.tensor("model.embed_tokens.weight");
    output_ = spec.shape.tied ? token_embedding_ : p.tensor("lm_head.weight");
    const auto norm = [&](const std::string& part, int64_t layer) -> NormLayer {
      return {
          .weight_W = p.part(part, layer), .epsilon = spec.norm_epsilon, .kind = NormKind::kRms};
    };
    const auto linear = [&](const std::string& part, int64_t layer) -> LinearLayer {
      return {.weight = p.part(part, layer), .order = WeightOrder::kOutIn};
    };
    final_norm_ = norm("model.norm.weight", -1);
    for (int64_t i = 0; i < num_layers; ++i) {
      HeadNorms head_norms;
      if (p.layout().find_part("self_attn.q_norm.weight", i) != nullptr) {
        head_norms = {p.part("self_attn.q_norm.weight", i), p.part("self_attn.k_norm.weight", i),
                      spec.norm_epsilon};
      }
      blocks_.push_back({norm("input_layernorm.weight", i), linear("self_attn.qkv_proj.weight", i),
                         head_norms, linear("self_attn.o_proj.weight", i),
                         norm("post_attention_layernorm.weight", i),
                         linear("mlp.gate_up_proj.weight", i), linear("mlp.down_proj.weight", i)});
    }
  }

 private:
  OutputLayer output_layer() const override { return {output_, {}}; }

  at::Tensor embed(const at::Tensor& inputs_BT, int64_t /*first*/,
                   const PassOptions& /*options*/) const override {
    return at::embedding(token_embedding_, inputs_BT);
  }

  RotationTable rotation(int64_t first, int64_t length) const override {
    return rotation_table(frequencies_, first, length);
  }

  const NormLayer& first_norm(int64_t layer) const override { return weights(layer).input_norm; }
  const NormLayer& final_norm() const override { return final_norm_; }

  const BlockWeights& weights(int64_t layer) const {
    return blocks_.at(static_cast<size_t>(layer));
  }

  SumAndNorm block(const SumAndNorm& stream, int64_t layer, const NormLayer& next_norm,
                   const Place& place, const PassOptions& options) const override {
    const BlockWeights& w = weights(layer);
    const ModelShape& shape = spec().shape;
    const at::Tensor qkv_BTX = rotate_queries_and_keys(
        linear(stream.norm, w.qkv, options.kernels), shape.heads, shape.kv_heads(),
        place.positions.rotation, w.head_norms, options.kernels);
    const at::Tensor mixed_BTX = attend(qkv_BTX, place, options);
    const SumAndNorm attended =
        add_linear_and_norm(stream.sum, mixed_BTX, scaled(w.attn_proj, options.branch_scale),
                            w.mlp_norm, /*dropout=*/{}, options.kernels);
    const at::Tensor mlp_BTW = gated_linear_without_bias(
        linear(attended.norm, w.gate_up, options.kernels), GateKind::kSilu,
        scaled(w.down, options.branch_scale), options.kernels);
    return add_and_norm(attended.sum, {mlp_BTW}, next_norm, options.kernels);
  }

  at::Tensor frequencies_;
  at::Tensor token_embedding_, output_;
  NormLayer final_norm_;
  std::vector<BlockWeights> blocks_;
};

std::unique_ptr<LanguageModel> make_rotary_decoder(const ModelSpec& spec, int64_t num_layers,
                                                   at::Device device) {
  return std::make_unique<RotaryDecoder>(spec, num_layers, device);
}

}  // namespace

std::pair<Architecture, ModelFactory> llama_model() {
  return {Architecture::kLlama, make_rotary_decoder};
}

std::pair<Architecture, ModelFactory> qwen3_model() {
  return {Architecture::kQwen3, make_rotary_decoder};
}

}  // namespace apollo
