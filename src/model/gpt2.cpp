#include "model/gpt2.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>

#include <cmath>

#include "base/error.h"
#include "model/layer.h"
#include "ops/linear_cross_entropy.h"

namespace apollo {
namespace {

struct BlockWeights {
  at::Tensor ln_1_weight, ln_1_bias;
  at::Tensor attn_weight, attn_bias;  // queries, keys and values side by side
  at::Tensor attn_proj_weight, attn_proj_bias;
  at::Tensor ln_2_weight, ln_2_bias;
  at::Tensor mlp_fc_weight, mlp_fc_bias;
  at::Tensor mlp_proj_weight, mlp_proj_bias;
};

class Gpt2 final : public LanguageModel {
 public:
  Gpt2(const ModelSpec& spec, int64_t num_layers, at::Device device)
      : LanguageModel(spec, num_layers, ParameterLayout(gpt2_parameters(spec, num_layers)),
                      device) {
    const ParameterSet& p = parameters();
    token_embedding_ = p.tensor("transformer.wte.weight");
    position_embedding_ = p.tensor("transformer.wpe.weight");
    final_norm_weight_ = p.tensor("transformer.ln_f.weight");
    final_norm_bias_ = p.tensor("transformer.ln_f.bias");
    for (int64_t i = 0; i < num_layers; ++i) {
      blocks_.push_back({p.part("ln_1.weight", i), p.part("ln_1.bias", i),
                         p.part("attn.c_attn.weight", i), p.part("attn.c_attn.bias", i),
                         p.part("attn.c_proj.weight", i), p.part("attn.c_proj.bias", i),
                         p.part("ln_2.weight", i), p.part("ln_2.bias", i),
                         p.part("mlp.c_fc.weight", i), p.part("mlp.c_fc.bias", i),
                         p.part("mlp.c_proj.weight", i), p.part("mlp.c_proj.bias", i)});
    }
  }

  at::Tensor loss_sum(const DeviceBatch& batch, const LayerMap& blocks,
                      const PassOptions& options) const override {
    const PrecisionScope scope(options.precision, device());
    return linear_cross_entropy(head_rows(batch.inputs_BT, blocks, options), token_embedding_,
                                batch.targets_BT.flatten(), options.kernels);
  }

  at::Tensor log_probability(const DeviceBatch& batch, const LayerMap& blocks,
                             const PassOptions& options) const override {
    const at::NoGradGuard no_grad;
    const PrecisionScope scope(options.precision, device());
    return linear_log_probability(head_rows(batch.inputs_BT, blocks, options), token_embedding_,
                                  batch.targets_BT.flatten())
        .view_as(batch.targets_BT);
  }

  at::Tensor logits(const at::Tensor& inputs_BT, const LayerMap& blocks,
                    const PassOptions& options) const override {
    const PrecisionScope scope(options.precision, device());
    return at::linear(hidden(inputs_BT, blocks, options), token_embedding_).to(at::kFloat);
  }

 private:
  // The rows that the head sees, [B*T, W], in the precision it runs in.
  at::Tensor head_rows(const at::Tensor& inputs_BT, const LayerMap& blocks,
                       const PassOptions& options) const {
    const at::Tensor x_BTW = hidden(inputs_BT, blocks, options);
    return x_BTW.flatten(0, 1).to(options.precision == Precision::kBf16 ? at::kBFloat16
                                                                        : at::kFloat);
  }

  at::Tensor hidden(const at::Tensor& inputs_BT, const LayerMap& blocks,
                    const PassOptions& options) const {
    const int64_t length = inputs_BT.size(1);
    if (length > spec().shape.context) {
      fail<UsageError>("a sequence of {} tokens does not fit the context of {}", length,
                       spec().shape.context);
    }
    const at::Tensor positions_T = at::arange(length, inputs_BT.options());
    at::Tensor x_BTW = at::embedding(token_embedding_, inputs_BT) +
                       at::embedding(position_embedding_, positions_T);
    x_BTW = apply_dropout(x_BTW, spec().dropout, options);
    for (const int64_t layer : blocks) {
      x_BTW = block(x_BTW, blocks_.at(static_cast<size_t>(layer)), options);
    }
    return norm(x_BTW, final_norm_weight_, final_norm_bias_);
  }

  at::Tensor block(const at::Tensor& x_BTW, const BlockWeights& w,
                   const PassOptions& options) const {
    const double dropout = options.training ? spec().dropout : 0.0;
    const auto qkv =
        linear_in_out(norm(x_BTW, w.ln_1_weight, w.ln_1_bias), w.attn_weight, w.attn_bias)
            .chunk(3, 2);
    const at::Tensor mixed_BTW = multi_head_attention(qkv[0], qkv[1], qkv[2], spec().shape.heads,
                                                      /*causal=*/true, dropout, options.kernels);
    const at::Tensor attended_BTW =
        x_BTW + apply_dropout(linear_in_out(mixed_BTW, w.attn_proj_weight, w.attn_proj_bias),
                              dropout, options);
    const at::Tensor inner = at::gelu(linear_in_out(norm(attended_BTW, w.ln_2_weight, w.ln_2_bias),
                                                    w.mlp_fc_weight, w.mlp_fc_bias),
                                      "tanh");
    return attended_BTW + apply_dropout(linear_in_out(inner, w.mlp_proj_weight, w.mlp_proj_bias),
                                        dropout, options);
  }

  at::Tensor norm(const at::Tensor& x_BTW, const at::Tensor& weight, const at::Tensor& bias) const {
    return at::layer_norm(x_BTW, {spec().shape.width}, weight, bias, spec().norm_epsilon);
  }

  at::Tensor token_embedding_, position_embedding_;
  at::Tensor final_norm_weight_, final_norm_bias_;
  std::vector<BlockWeights> blocks_;
};

}  // namespace

std::unique_ptr<LanguageModel> make_gpt2(const ModelSpec& spec, int64_t num_layers,
                                         at::Device device) {
  return std::make_unique<Gpt2>(spec, num_layers, device);
}

std::vector<ParameterSpec> gpt2_parameters(const ModelSpec& spec, int64_t num_layers) {
  const int64_t width = spec.shape.width;
  constexpr double kStd = 0.02;
  const double residual_std = kStd / std::sqrt(2.0 * static_cast<double>(spec.shape.layers));
  std::vector<ParameterSpec> specs;
  const auto add = [&](int64_t layer, const std::string& part, std::vector<int64_t> shape,
                       Init init, double std = 0.0) {
    const std::string name =
        layer < 0 ? "transformer." + part : fmt::format("transformer.h.{}.{}", layer, part);
    // Weight decay applies to matrices, embeddings included, and to nothing else.
    const bool decay = shape.size() >= 2;
    specs.push_back({name, part, layer, std::move(shape), decay, init, std});
  };
  add(-1, "wte.weight", {spec.shape.vocab_size, width}, Init::kNormal, kStd);
  add(-1, "wpe.weight", {spec.shape.context, width}, Init::kNormal, kStd);
  for (int64_t i = 0; i < num_layers; ++i) {
    add(i, "ln_1.weight", {width}, Init::kOnes);
    add(i, "ln_1.bias", {width}, Init::kZeros);
    add(i, "attn.c_attn.weight", {width, 3 * width}, Init::kNormal, kStd);
    add(i, "attn.c_attn.bias", {3 * width}, Init::kZeros);
    add(i, "attn.c_proj.weight", {width, width}, Init::kNormal, residual_std);
    add(i, "attn.c_proj.bias", {width}, Init::kZeros);
    add(i, "ln_2.weight", {width}, Init::kOnes);
    add(i, "ln_2.bias", {width}, Init::kZeros);
    add(i, "mlp.c_fc.weight", {width, 4 * width}, Init::kNormal, kStd);
    add(i, "mlp.c_fc.bias", {4 * width}, Init::kZeros);
    add(i, "mlp.c_proj.weight", {4 * width, width}, Init::kNormal, residual_std);
    add(i, "mlp.c_proj.bias", {width}, Init::kZeros);
  }
  add(-1, "ln_f.weight", {width}, Init::kOnes);
  add(-1, "ln_f.bias", {width}, Init::kZeros);
  return specs;
}

}  // namespace apollo
