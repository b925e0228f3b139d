// ModernBERT ("Smarter, Better, Faster, Longer", Warner et al. 2024), as `transformers` has it:
// ModernBertForMaskedLM. It has pre-LayerNorm blocks without biases, rotary positions, a gated MLP
// (GeGLU), and a head like BERT's.
//
// Three things depend on the place of a block in its pass and not on the layer that it runs:
// whether it is local (LocalAttention), the angle by which its positions rotate, and that the block
// at place 0 has no norm before its attention, because a norm follows the embedding. Everything
// that trains belongs to the layer. So a block is a function of its place and of its layer's
// weights, and the nesting theorem (progressive/layer_map.h) still holds. If N divides N', growth N
// -> N' leaves every place of a pass of depth D >= N' with the weights it had, since these follow
// from the maps, and with its kind, since that follows from the place.
//
// Layer 0 still owns a norm before its attention: a pass deeper than the model's layers runs it at
// places other than 0 too, and growth copies it to layers at such places. Hugging Face's format has
// no place for this norm (ParameterSpec::outside_format). If a final model lacks it, because its
// folder was written by somebody else, the norm is initialised anew.
#include <cmath>
#include <string>
#include <utility>

#include "arch/architecture.h"
#include "arch/hf_config.h"

namespace apollo {
namespace {

// kTruncatedNormal draws again beyond this many deviations.
constexpr double kInitializerCutoff = 2.0;
constexpr int64_t kWindow = 64;
constexpr int64_t kGlobalEvery = 3;
constexpr double kGlobalTheta = 160'000.0;
constexpr double kLocalTheta = 10'000.0;

constexpr const char* kGlobalType = "full_attention";
constexpr const char* kLocalType = "sliding_attention";

// Collects the parameters.
class ParameterList {
 public:
  ParameterSpec& matrix(int64_t layer, const std::string& part, int64_t rows, int64_t columns,
                        double std) {
    ParameterSpec& spec = add(layer, part, {rows, columns});
    spec.decay = true;
    spec.init = Init::kTruncatedNormal;
    spec.init_std = std;
    return spec;
  }
  ParameterSpec& norm(int64_t layer, const std::string& part, int64_t width) {
    ParameterSpec& spec = add(layer, part, {width});
    spec.init = Init::kOnes;
    return spec;
  }
  ParameterSpec& bias(const std::string& part, int64_t size) { return add(-1, part, {size}); }
  std::vector<ParameterSpec> take() { return std::move(specs_); }

 private:
  ParameterSpec& add(int64_t layer, const std::string& part, std::vector<int64_t> shape) {
    ParameterSpec spec;
    spec.name = layer < 0 ? part : fmt::format("model.layers.{}.{}", layer, part);
    spec.part = part;
    spec.layer = layer;
    spec.shape = std::move(shape);
    return specs_.emplace_back(std::move(spec));
  }

  std::vector<ParameterSpec> specs_;
};

// Initialisation is that of `transformers`, with L the depth of the final model.
std::vector<ParameterSpec> modernbert_parameters(const ModelSpec& spec, int64_t num_layers) {
  const ModelShape& shape = spec.shape;
  const int64_t width = shape.width;
  const int64_t inner = shape.inner_width();
  const double std = spec.init_std;
  const double output_std = std / std::sqrt(2.0 * static_cast<double>(shape.layers));
  ParameterList list;
  list.matrix(-1, "model.embeddings.tok_embeddings.weight", shape.vocab_size, width, std).role =
      Role::kHead;
  list.norm(-1, "model.embeddings.norm.weight", width);
  for (int64_t i = 0; i < num_layers; ++i) {
    list.norm(i, "attn_norm.weight", width).outside_format = i == 0;
    list.matrix(i, "attn.Wqkv.weight", 3 * width, width, std).matrices.sizes = {width, width,
                                                                                width};
    list.matrix(i, "attn.Wo.weight", width, width, output_std).role = Role::kBranchOutput;
    list.norm(i, "mlp_norm.weight", width);
    list.matrix(i, "mlp.Wi.weight", 2 * inner, width, std).matrices.sizes = {inner, inner};
    list.matrix(i, "mlp.Wo.weight", width, inner, output_std).role = Role::kBranchOutput;
  }
  list.norm(-1, "model.final_norm.weight", width).role = Role::kHead;
  list.matrix(-1, "head.dense.weight", width, width, output_std).role = Role::kHead;
  list.norm(-1, "head.norm.weight", width).role = Role::kHead;
  list.bias("decoder.bias", shape.vocab_size).role = Role::kHead;
  return list.take();
}

// Queries, keys and values; scores; mixing; the projection of the heads; the MLP's two factors side
// by side; its output. After the mixing no position reads another, so from there on the last block
// runs only at the masked positions.
std::vector<MatrixProduct> modernbert_block_products(const ModelShape& shape, int64_t place) {
  const int64_t width = shape.width;
  const int64_t inner = shape.inner_width();
  const int64_t seen =
      shape.local.is_local(place) ? MatrixProduct::kWindow : MatrixProduct::kSequenceLength;
  constexpr ProductRows kTargets = ProductRows::kTargets;
  return {{width, 3 * width},
          {width, seen},
          {seen, width},
          {width, width, kTargets},
          {width, 2 * inner, kTargets},
          {inner, width, kTargets}};
}

std::vector<MatrixProduct> modernbert_head_products(const ModelShape& shape) {
  return {{shape.width, shape.width}, {shape.width, shape.vocab_size}};
}

Json layer_types(const LocalAttention& local, int64_t num_layers) {
  Json types = Json::array();
  for (int64_t i = 0; i < num_layers; ++i)
    types.push_back(local.is_local(i) ? kLocalType : kGlobalType);
  return types;
}

// Writes keys for transformers 5 (layer_types, rope_parameters, dtype) and transformers 4
// (global_attn_every_n_layers, global_rope_theta, local_rope_theta, torch_dtype).
Json write_modernbert_config(const ModelSpec& spec, int64_t num_layers,
                             const ConfigTokens& tokens) {
  const ModelShape& shape = spec.shape;
  const auto rope = [](const Rope& angles) -> Json {
    return {{"rope_type", "default"}, {"rope_theta", angles.theta}};
  };
  return {
      {"architectures", {"ModernBertForMaskedLM"}},
      {"model_type", "modernbert"},
      {"vocab_size", shape.vocab_size},
      {"max_position_embeddings", shape.context},
      {"hidden_size", shape.width},
      {"intermediate_size", shape.inner_width()},
      {"num_hidden_layers", num_layers},
      {"num_attention_heads", shape.heads},
      {"hidden_activation", "gelu"},
      {"layer_types", layer_types(shape.local, num_layers)},
      {"global_attn_every_n_layers", shape.local.global_every},
      {"local_attention", 2 * shape.local.window},
      {"rope_parameters", {{kGlobalType, rope(spec.rope)}, {kLocalType, rope(spec.local_rope)}}},
      {"global_rope_theta", spec.rope.theta},
      {"local_rope_theta", spec.local_rope.theta},
      {"norm_eps", spec.norm_epsilon},
      {"norm_bias", false},
      {"attention_bias", false},
      {"mlp_bias", false},
      {"decoder_bias", true},
      {"classifier_bias", false},
      {"classifier_activation", "gelu"},
      {"embedding_dropout", spec.dropout},
      {"attention_dropout", spec.dropout},
      {"mlp_dropout", spec.dropout},
      {"initializer_range", spec.init_std},
      {"initializer_cutoff_factor", kInitializerCutoff},
      {"tie_word_embeddings", true},
      {"bos_token_id", id_json(tokens.cls)},
      {"eos_token_id", id_json(tokens.sep)},
      {"cls_token_id", id_json(tokens.cls)},
      {"sep_token_id", id_json(tokens.sep)},
      {"pad_token_id", id_json(tokens.pad)},
      {"dtype", "float32"},
      {"torch_dtype", "float32"}};
}

// transformers 5 writes the kind of each layer, transformers 4 the distance between global ones.
// With few layers the kinds may fit several distances; then the stated distance decides.
int64_t read_global_every(const ConfigReader& reader, int64_t num_layers) {
  const int64_t stated = reader.size("global_attn_every_n_layers", kGlobalEvery);
  const Json* types = reader.find("layer_types");
  if (types == nullptr) return stated;
  const auto length = static_cast<int64_t>(types->size());
  const auto fits = [&](int64_t every) {
    return length == num_layers &&
           *types == layer_types({.window = kWindow, .global_every = every}, length);
  };
  if (fits(stated)) return stated;
  int64_t second = 1;
  while (second < length && types->is_array() &&
         types->at(static_cast<size_t>(second)) != kGlobalType)
    ++second;
  if (fits(second)) return second;
  reader.reject(
      fmt::format("key 'layer_types': expected 'full_attention' for the first and then for each "
                  "n-th of {} layers and 'sliding_attention' for all others, found {}",
                  num_layers, types->dump().substr(0, 200)));
}

// `own_key` is where transformers 4 keeps the angle.
Rope read_rope(const ConfigReader& reader, const char* type, const char* own_key, double fallback) {
  Rope rope{.theta = reader.number(own_key, fallback)};
  const Json* all = reader.find("rope_parameters");
  if (all != nullptr && !all->is_object())
    reader.reject(fmt::format("key 'rope_parameters': expected an object, found {}", all->dump()));
  const Json found = all == nullptr ? Json() : all->value(type, Json());
  if (!found.is_null() && !found.is_object()) {
    reader.reject(fmt::format("key 'rope_parameters': expected an object for {}, found {}", type,
                              found.dump().substr(0, 60)));
  }
  if (found.is_object()) {
    const std::string kind = found.value("rope_type", Json("default")).dump();
    if (kind != "\"default\"") {
      reader.reject(
          fmt::format("key 'rope_parameters': rope_type of {} is {}, which Apollo does not compute "
                      "(expected \"default\")",
                      type, kind));
    }
    const Json theta = found.value("rope_theta", Json());
    if (theta.is_number()) rope.theta = theta.get<double>();
  }
  if (rope.theta <= 0.0) {
    reader.reject(fmt::format("rope_theta of {} must be positive, found {}", type, rope.theta));
  }
  return rope;
}

void check_sizes(const ConfigReader& reader, const ModelShape& shape) {
  if (shape.width % shape.heads != 0) {
    reader.reject(fmt::format("num_attention_heads {} does not divide hidden_size {}", shape.heads,
                              shape.width));
  }
  if (shape.head_dim() % 2 != 0) {
    reader.reject(
        fmt::format("hidden_size / num_attention_heads is {}, which is odd, but rotation "
                    "takes pairs",
                    shape.head_dim()));
  }
  reader.require("head_dim", {shape.head_dim()});
}

void check_features(const ConfigReader& reader) {
  reader.require("hidden_activation", {"gelu"});
  reader.require("classifier_activation", {"gelu"});
  for (const char* key : {"norm_bias", "attention_bias", "mlp_bias", "classifier_bias"})
    reader.require(key, {false});
  reader.require("decoder_bias", {true});
  reader.require("tie_word_embeddings", {true});
  reader.require("classifier_pooling", {"cls", "mean"});
  reader.require("rope_scaling", {Json()});
}

ModelSpec read_modernbert_config(const ConfigReader& reader) {
  ModelSpec spec;
  ModelShape& shape = spec.shape;
  shape.layers = reader.num_layers("num_hidden_layers");
  shape.width = reader.size("hidden_size");
  shape.heads = reader.size("num_attention_heads");
  shape.context = reader.size("max_position_embeddings");
  shape.vocab_size = reader.size("vocab_size");
  shape.set_inner_width(reader.size("intermediate_size"));
  check_sizes(reader, shape);
  check_features(reader);
  const int64_t span = reader.size("local_attention", 2 * kWindow);
  if (span < 2) reader.reject(fmt::format("local_attention must be at least 2, found {}", span));
  shape.local = {.window = span / 2, .global_every = read_global_every(reader, shape.layers)};
  spec.rope = read_rope(reader, kGlobalType, "global_rope_theta", kGlobalTheta);
  // In transformers 4, null means the global angle.
  const double local = reader.is_null("local_rope_theta") ? spec.rope.theta : kLocalTheta;
  spec.local_rope = read_rope(reader, kLocalType, "local_rope_theta", local);
  spec.norm_epsilon = reader.number("norm_eps", 1e-5);
  spec.dropout = reader.number("attention_dropout", 0.0);
  spec.init_std = reader.number("initializer_range", 0.02);
  return spec;
}

// The ratio of ModernBERT-base (1,152 at a width of 768), rounded up to a multiple of 16.
int64_t modernbert_inner_width(int64_t width) {
  constexpr int64_t kMultiple = 16;
  return (3 * width / 2 + kMultiple - 1) / kMultiple * kMultiple;
}

}  // namespace

const ArchitectureInfo& modernbert_info() {
  static const ArchitectureInfo info = {
      .name = "modernbert",
      .title = "ModernBERT",
      .objective = Objective::kMasked,
      .sequence_classifier_class = "ModernBertForSequenceClassification",
      .classifier_head = ClassifierHead::kTransform,
      .norm_epsilon = 1e-5,
      .inner_width = modernbert_inner_width,
      .rope_theta = kGlobalTheta,
      .local_rope_theta = kLocalTheta,
      .local = {.window = kWindow, .global_every = kGlobalEvery},
      .parameters = modernbert_parameters,
      .block_products = modernbert_block_products,
      .head_products = modernbert_head_products,
      .write_config = write_modernbert_config,
      .read_config = read_modernbert_config,
      .names = {.body = "model.",
                .head = "decoder.",
                .transform = "head.",
                .beside = {"classifier."},
                .constants = {".rotary_emb.inv_freq"},
                .tied = {{"decoder.weight", "model.embeddings.tok_embeddings.weight"}},
                .renamed = {}}};
  return info;
}

}  // namespace apollo
