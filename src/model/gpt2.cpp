// GPT-2 (Radford et al. 2019) exactly as `transformers` computes GPT2LMHeadModel: pre-LN blocks,
// learned positions, tied head, tanh-approximated GELU, biases, dropout on the embedding, the
// attention weights and both residual branches.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>

#include <cmath>

#include "base/error.h"
#include "model/architecture.h"
#include "model/axes.h"
#include "model/layer.h"
#include "model/recompute.h"
#include "ops/attention.h"

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

std::vector<ParameterSpec> gpt2_parameters(const ModelSpec& spec, int64_t num_layers);

class Gpt2 final : public LanguageModel {
 public:
  Gpt2(const ModelSpec& spec, int64_t num_layers, at::Device device)
      : LanguageModel(spec, num_layers, ParameterLayout(gpt2_parameters(spec, num_layers)),
                      device) {
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
    if (options.frozen_blocks == 0) {
      return run_blocks(embed(batch, options), blocks, options).norm.value;
    }
    const auto first_trained = blocks.begin() + options.frozen_blocks;
    const auto frozen_part = [&] {
      return run_blocks(embed(batch, options), {blocks.begin(), first_trained}, options).sum;
    };
    return run_blocks(without_gradient(frozen_part, options), {first_trained, blocks.end()},
                      options)
        .norm.value;
  }

 private:
  OutputLayer output_layer() const override { return {token_embedding_, {}}; }

  at::Tensor embed(const DeviceBatch& batch, const PassOptions& options) const {
    const int64_t length = batch.inputs_BT.size(1);
    check_length(spec(), length);
    const at::Tensor positions_T = at::arange(length, batch.inputs_BT.options());
    const at::Tensor x_BTW = at::embedding(token_embedding_, batch.inputs_BT) +
                             at::embedding(position_embedding_, positions_T);
    return apply_dropout(x_BTW, spec().dropout, options);
  }

  // The stream behind these blocks, and its final norm.
  SumAndNorm run_blocks(const at::Tensor& x_BTW, const LayerMap& blocks,
                        const PassOptions& options) const {
    if (options.recompute) {
      const at::Tensor sum_BTW = recomputed_blocks(x_BTW, blocks, options);
      return {sum_BTW, layer_norm(sum_BTW, final_norm_, options.kernels)};
    }
    // Each sum of the residual stream is formed together with the norm that reads it: the next
    // block's first.
    const auto norm_of_block = [&](size_t i) -> const NormLayer& {
      return i < blocks.size() ? weights(blocks[i]).ln_1 : final_norm_;
    };
    SumAndNorm stream{x_BTW, layer_norm(x_BTW, norm_of_block(0), options.kernels)};
    for (size_t i = 0; i < blocks.size(); ++i)
      stream = block(stream, weights(blocks[i]), norm_of_block(i + 1), options);
    return stream;
  }

  const BlockWeights& weights(int64_t layer) const {
    return blocks_.at(static_cast<size_t>(layer));
  }

  // The last sum of the stream; blocks are functions of one tensor here, each with its first norm.
  at::Tensor recomputed_blocks(at::Tensor x_BTW, const LayerMap& blocks,
                               const PassOptions& options) const {
    for (const int64_t layer : blocks) {
      const BlockWeights& w = weights(layer);
      const auto run = [this, &w, options](const at::Tensor& x) {
        const SumAndNorm stream{x, layer_norm(x, w.ln_1, options.kernels)};
        return block(stream, w, /*next_norm=*/final_norm_, options).sum;
      };
      x_BTW = run_block(run, x_BTW, spec().dropout > 0.0, options);
    }
    return x_BTW;
  }

  // The stream behind a block of which `stream` is the stream before, with its ln_1.
  SumAndNorm block(const SumAndNorm& stream, const BlockWeights& w, const NormLayer& next_norm,
                   const PassOptions& options) const {
    const double dropout = options.training ? spec().dropout : 0.0;
    const at::Tensor mixed_BTW = multi_head_attention(linear(stream.norm, w.attn, options.kernels),
                                                      {.heads = spec().shape.heads, .causal = true},
                                                      dropout, options.kernels);
    const SumAndNorm attended =
        add_linear_and_norm(stream.sum, mixed_BTW, scaled(w.attn_proj, options.branch_scale),
                            w.ln_2, dropout, options.kernels);
    return add_mlp_and_norm(attended.sum, attended.norm, w.mlp_fc, GeluKind::kTanh,
                            scaled(w.mlp_proj, options.branch_scale), next_norm, dropout,
                            options.kernels);
  }

  at::Tensor token_embedding_, position_embedding_;
  NormLayer final_norm_;
  std::vector<BlockWeights> blocks_;
};

// Initialisation: N(0, s) with s = init_std; the two projections into the residual stream N(0,
// s/sqrt(2L)) with the depth L of the final model; biases 0, norms 1.
std::vector<ParameterSpec> gpt2_parameters(const ModelSpec& spec, int64_t num_layers) {
  const int64_t width = spec.shape.width;
  const int64_t inner = spec.shape.inner_width();
  const double std = spec.init_std;
  const double residual_std = std / std::sqrt(2.0 * static_cast<double>(spec.shape.layers));
  std::vector<ParameterSpec> specs;
  const auto add = [&](int64_t layer, const std::string& part, std::vector<int64_t> shape,
                       std::vector<Axis> meaning, Init init, double init_std = 0.0) {
    const std::string name =
        layer < 0 ? "transformer." + part : fmt::format("transformer.h.{}.{}", layer, part);
    // Weight decay applies to matrices, embeddings included, and to nothing else.
    const bool decay = shape.size() >= 2;
    const bool ends_branch = part.find("c_proj.") != std::string::npos;
    const bool in_head = part == "wte.weight" || part.starts_with("ln_f.");
    specs.push_back({.name = name,
                     .part = part,
                     .layer = layer,
                     .shape = std::move(shape),
                     .decay = decay,
                     .init = init,
                     .init_std = init_std,
                     .role = ends_branch ? Role::kBranchOutput
                             : in_head   ? Role::kHead
                                         : Role::kOther,
                     .axes = std::move(meaning)});
  };
  add(-1, "wte.weight", {spec.shape.vocab_size, width}, {axes::kFixed, axes::kResidualOut},
      Init::kNormal, std);
  add(-1, "wpe.weight", {spec.shape.context, width}, {axes::kFixed, axes::kResidualOut},
      Init::kNormal, std);
  for (int64_t i = 0; i < num_layers; ++i) {
    add(i, "ln_1.weight", {width}, {axes::kPerResidual}, Init::kOnes);
    add(i, "ln_1.bias", {width}, {axes::kPerResidual}, Init::kZeros);
    add(i, "attn.c_attn.weight", {width, 3 * width}, {axes::kResidualIn, axes::kQkvOut},
        Init::kNormal, std);
    add(i, "attn.c_attn.bias", {3 * width}, {axes::kQkvOut}, Init::kZeros);
    add(i, "attn.c_proj.weight", {width, width}, {axes::kHeadsIn, axes::kResidualOut},
        Init::kNormal, residual_std);
    add(i, "attn.c_proj.bias", {width}, {axes::kResidualOut}, Init::kZeros);
    add(i, "ln_2.weight", {width}, {axes::kPerResidual}, Init::kOnes);
    add(i, "ln_2.bias", {width}, {axes::kPerResidual}, Init::kZeros);
    add(i, "mlp.c_fc.weight", {width, inner}, {axes::kResidualIn, axes::kInnerOut}, Init::kNormal,
        std);
    add(i, "mlp.c_fc.bias", {inner}, {axes::kInnerOut}, Init::kZeros);
    add(i, "mlp.c_proj.weight", {inner, width}, {axes::kInnerIn, axes::kResidualOut}, Init::kNormal,
        residual_std);
    add(i, "mlp.c_proj.bias", {width}, {axes::kResidualOut}, Init::kZeros);
  }
  // The tied head sums over what the last norm gives, with weights that the embedding owns: so the
  // norm stands for the head's input.
  add(-1, "ln_f.weight", {width}, {axes::kResidualIn}, Init::kOnes);
  add(-1, "ln_f.bias", {width}, {axes::kResidualIn}, Init::kZeros);
  return specs;
}

std::unique_ptr<LanguageModel> make_gpt2(const ModelSpec& spec, int64_t num_layers,
                                         at::Device device) {
  return std::make_unique<Gpt2>(spec, num_layers, device);
}

Json write_gpt2_config(const ModelSpec& spec, int64_t num_layers, const ConfigTokens& tokens) {
  const ModelShape& shape = spec.shape;
  return {{"architectures", {"GPT2LMHeadModel"}},
          {"model_type", "gpt2"},
          {"vocab_size", shape.vocab_size},
          {"n_positions", shape.context},
          {"n_ctx", shape.context},
          {"n_embd", shape.width},
          {"n_layer", num_layers},
          {"n_head", shape.heads},
          {"n_inner", shape.inner_width()},
          {"activation_function", "gelu_new"},
          {"resid_pdrop", spec.dropout},
          {"embd_pdrop", spec.dropout},
          {"attn_pdrop", spec.dropout},
          {"layer_norm_epsilon", spec.norm_epsilon},
          {"initializer_range", spec.init_std},
          {"scale_attn_weights", true},
          {"scale_attn_by_inverse_layer_idx", false},
          {"reorder_and_upcast_attn", false},
          {"tie_word_embeddings", true},
          {"use_cache", true},
          {"bos_token_id", id_json(tokens.bos)},
          {"eos_token_id", id_json(tokens.eos)},
          {"pad_token_id", id_json(tokens.pad)},
          {"torch_dtype", "float32"}};
}

ModelSpec read_gpt2_config(const ConfigReader& reader) {
  ModelSpec spec;
  spec.shape.architecture = Architecture::kGpt2;
  spec.shape.layers = reader.num_layers("n_layer");
  spec.shape.width = reader.size("n_embd");
  spec.shape.heads = reader.size("n_head");
  spec.shape.context = reader.size("n_positions");
  spec.shape.vocab_size = reader.size("vocab_size");
  if (spec.shape.width % spec.shape.heads != 0) {
    reader.reject(
        fmt::format("n_head {} does not divide n_embd {}", spec.shape.heads, spec.shape.width));
  }
  spec.shape.set_inner_width(reader.size("n_inner", 4 * spec.shape.width));
  spec.norm_epsilon = reader.number("layer_norm_epsilon", 1e-5);
  spec.dropout = reader.number("resid_pdrop", 0.1);
  spec.init_std = reader.number("initializer_range", 0.02);
  reader.require("activation_function", {"gelu_new", "gelu_pytorch_tanh"});
  reader.require("scale_attn_weights", {true});
  reader.require("scale_attn_by_inverse_layer_idx", {false});
  reader.require("add_cross_attention", {false});
  reader.require("tie_word_embeddings", {true});
  return spec;
}

}  // namespace

const ArchitectureDescription& gpt2_description() {
  static const ArchitectureDescription description = {
      .model_type = "gpt2",
      .norm_epsilon = 1e-5,
      .make = make_gpt2,
      .parameters = gpt2_parameters,
      .write_config = write_gpt2_config,
      .read_config = read_gpt2_config,
      .names = {.body = "transformer.",
                .head = "lm_head.",
                .beside = {"score.", "classifier.", "qa_outputs.", "multiple_choice_head."},
                .constants = {".attn.bias", ".attn.masked_bias"},
                .tied = {{"lm_head.weight", "transformer.wte.weight"}},
                .renamed = {}}};
  return description;
}

}  // namespace apollo
