// GPT-2 (Radford et al. 2019), as `transformers` has it: GPT2LMHeadModel.
#include <cmath>
#include <string>

#include "arch/architecture.h"
#include "arch/hf_config.h"

namespace apollo {
namespace {

// Initialisation: N(0, s) with s = init_std, except for the two projections into the residual
// stream, which draw from N(0, s/sqrt(2L)) with L the depth of the final model. Biases are 0, norms
// 1.
std::vector<ParameterSpec> gpt2_parameters(const ModelSpec& spec, int64_t num_layers) {
  const int64_t width = spec.shape.width;
  const int64_t inner = spec.shape.inner_width();
  const double std = spec.init_std;
  const double residual_std = std / std::sqrt(2.0 * static_cast<double>(spec.shape.layers));
  std::vector<ParameterSpec> specs;
  const auto add = [&](int64_t layer, const std::string& part, std::vector<int64_t> shape,
                       std::vector<Axis> meaning, Init init, double init_std = 0.0,
                       SideBySide matrices = {}) {
    const std::string name =
        layer < 0 ? "transformer." + part : fmt::format("transformer.h.{}.{}", layer, part);
    // Weight decay applies only to matrices, including embeddings.
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
                     .axes = std::move(meaning),
                     .matrices = std::move(matrices)});
  };
  add(-1, "wte.weight", {spec.shape.vocab_size, width}, {axes::kFixed, axes::kResidualOut},
      Init::kNormal, std);
  add(-1, "wpe.weight", {spec.shape.context, width}, {axes::kFixed, axes::kResidualOut},
      Init::kNormal, std);
  for (int64_t i = 0; i < num_layers; ++i) {
    add(i, "ln_1.weight", {width}, {axes::kPerResidual}, Init::kOnes);
    add(i, "ln_1.bias", {width}, {axes::kPerResidual}, Init::kZeros);
    add(i, "attn.c_attn.weight", {width, 3 * width}, {axes::kResidualIn, axes::kQkvOut},
        Init::kNormal, std, {.dimension = 1, .sizes = {width, width, width}});
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
  // The tied head sums over the outputs of the last norm with weights that the embedding owns, so
  // the norm takes the role of the head's input.
  add(-1, "ln_f.weight", {width}, {axes::kResidualIn}, Init::kOnes);
  add(-1, "ln_f.bias", {width}, {axes::kResidualIn}, Init::kZeros);
  return specs;
}

// Queries, keys and values; scores; mixing; the projection of the heads; the MLP.
std::vector<MatrixProduct> gpt2_block_products(const ModelShape& shape, int64_t /*place*/) {
  const int64_t width = shape.width;
  const int64_t inner = shape.inner_width();
  constexpr int64_t kLength = MatrixProduct::kSequenceLength;
  return {{width, 3 * width}, {width, kLength}, {kLength, width},
          {width, width},     {width, inner},   {inner, width}};
}

std::vector<MatrixProduct> gpt2_head_products(const ModelShape& shape) {
  return {{shape.width, shape.vocab_size}};
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

const ArchitectureInfo& gpt2_info() {
  static const ArchitectureInfo info = {
      .name = "gpt2",
      .title = "GPT-2",
      .objective = Objective::kCausal,
      .sequence_classifier_class = "GPT2ForSequenceClassification",
      .norm_epsilon = 1e-5,
      .output_shift = "transformer.ln_f.bias",
      .parameters = gpt2_parameters,
      .block_products = gpt2_block_products,
      .head_products = gpt2_head_products,
      .write_config = write_gpt2_config,
      .read_config = read_gpt2_config,
      .names = {.body = "transformer.",
                .head = "lm_head.",
                .beside = {"score.", "classifier.", "qa_outputs.", "multiple_choice_head."},
                .constants = {".attn.bias", ".attn.masked_bias"},
                .tied = {{"lm_head.weight", "transformer.wte.weight"}},
                .renamed = {}}};
  return info;
}

}  // namespace apollo
