#include "arch/rotary_decoder.h"

#include <string>
#include <utility>

#include "arch/hf_config.h"

namespace apollo {
namespace {

// Collects the parameters with their initialisation: matrices N(0, init_std), norms 1.
class ParameterList {
 public:
  explicit ParameterList(double init_std) : init_std_(init_std) {}

  ParameterSpec& matrix(int64_t layer, const std::string& part, int64_t rows, int64_t columns) {
    ParameterSpec& spec = add(layer, part, {rows, columns});
    spec.decay = true;
    spec.init = Init::kNormal;
    spec.init_std = init_std_;
    return spec;
  }
  // Several matrices, one above the other, which a folder stores separately: their names and rows.
  void matrices(int64_t layer, const std::string& part, int64_t columns,
                const std::vector<std::pair<std::string, int64_t>>& pieces) {
    int64_t rows = 0;
    for (const auto& [name, size] : pieces)
      rows += size;
    ParameterSpec& spec = matrix(layer, part, rows, columns);
    for (const auto& [name, size] : pieces) {
      spec.pieces.push_back(name_of(layer, name));
      spec.piece_rows.push_back(size);
    }
    spec.matrices = {.dimension = 0, .sizes = spec.piece_rows};
  }
  ParameterSpec& norm(int64_t layer, const std::string& part, int64_t width) {
    ParameterSpec& spec = add(layer, part, {width});
    spec.init = Init::kOnes;
    return spec;
  }
  std::vector<ParameterSpec> take() { return std::move(specs_); }

 private:
  static std::string name_of(int64_t layer, const std::string& part) {
    return layer < 0 ? part : fmt::format("model.layers.{}.{}", layer, part);
  }
  ParameterSpec& add(int64_t layer, const std::string& part, std::vector<int64_t> shape) {
    ParameterSpec spec;
    spec.name = name_of(layer, part);
    spec.part = part;
    spec.layer = layer;
    spec.shape = std::move(shape);
    return specs_.emplace_back(std::move(spec));
  }

  double init_std_;
  std::vector<ParameterSpec> specs_;
};

// Returns the object at `key`, or null if there is none.
const Json* object_at(const ConfigReader& reader, const char* key) {
  const Json* found = reader.find(key);
  if (found == nullptr) return nullptr;
  if (!found->is_object())
    reader.reject(fmt::format("key '{}': expected an object, found {}", key, found->dump()));
  return found;
}

RopeScaling read_llama3_scaling(const ConfigReader& reader, const char* key, const Json& rope) {
  const auto number = [&](const char* name) {
    const auto found = rope.find(name);
    if (found == rope.end() || !found->is_number() || found->get<double>() <= 0.0)
      reader.reject(fmt::format("key '{}': '{}' must be a positive number", key, name));
    return found->get<double>();
  };
  const RopeScaling scaling = {number("factor"), number("low_freq_factor"),
                               number("high_freq_factor"),
                               static_cast<int64_t>(number("original_max_position_embeddings"))};
  if (scaling.low_freq_factor >= scaling.high_freq_factor)
    reader.reject(fmt::format("key '{}': low_freq_factor must be below high_freq_factor", key));
  return scaling;
}

// transformers 5 writes everything into rope_parameters. transformers 4 writes the angle into
// rope_theta and the rest, if any, into rope_scaling; old versions call the kind 'type'.
Rope read_rope(const ConfigReader& reader) {
  Rope rope{.theta = reader.number("rope_theta", 10000.0)};
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const Json* found = object_at(reader, key);
    if (found == nullptr) continue;
    const auto kind = found->contains("rope_type") ? found->find("rope_type") : found->find("type");
    const bool is_default = kind == found->end() || *kind == Json("default");
    if (!is_default && *kind != Json("llama3")) {
      reader.reject(
          fmt::format("key '{}': rope_type is {}, which Apollo does not compute (expected "
                      "\"default\" or \"llama3\")",
                      key, kind->dump()));
    }
    if (!is_default) rope.scaling = read_llama3_scaling(reader, key, *found);
    const auto theta = found->find("rope_theta");
    if (theta != found->end() && theta->is_number()) rope.theta = theta->get<double>();
    const auto partial = found->find("partial_rotary_factor");
    if (partial != found->end() && *partial != Json(1.0)) {
      reader.reject(
          fmt::format("key '{}': partial_rotary_factor is {}, which Apollo does not "
                      "compute (expected 1.0)",
                      key, partial->dump()));
    }
  }
  if (rope.theta <= 0.0)
    reader.reject(fmt::format("rope_theta must be positive, found {}", rope.theta));
  return rope;
}

void check_heads(const ConfigReader& reader, const ModelShape& shape) {
  if (shape.heads % shape.kv_heads() != 0) {
    reader.reject(fmt::format("num_key_value_heads {} does not divide num_attention_heads {}",
                              shape.kv_heads(), shape.heads));
  }
  if (shape.head == 0 && shape.width % shape.heads != 0) {
    reader.reject(fmt::format("num_attention_heads {} does not divide hidden_size {}", shape.heads,
                              shape.width));
  }
  if (shape.head_dim() % 2 != 0) {
    reader.reject(fmt::format("head_dim {} is odd, but rotation takes pairs", shape.head_dim()));
  }
}

}  // namespace

std::vector<ParameterSpec> rotary_decoder_parameters(const ModelSpec& spec, int64_t num_layers,
                                                     bool qk_norm) {
  const ModelShape& shape = spec.shape;
  const int64_t width = shape.width;
  const int64_t inner = shape.inner_width();
  const int64_t queries = shape.heads * shape.head_dim();
  const int64_t keys = shape.kv_heads() * shape.head_dim();
  ParameterList list(spec.init_std);
  ParameterSpec& embedding = list.matrix(-1, "model.embed_tokens.weight", shape.vocab_size, width);
  if (shape.tied) embedding.role = Role::kHead;
  for (int64_t i = 0; i < num_layers; ++i) {
    list.norm(i, "input_layernorm.weight", width);
    list.matrices(i, "self_attn.qkv_proj.weight", width,
                  {{"self_attn.q_proj.weight", queries},
                   {"self_attn.k_proj.weight", keys},
                   {"self_attn.v_proj.weight", keys}});
    if (qk_norm) {
      list.norm(i, "self_attn.q_norm.weight", shape.head_dim());
      list.norm(i, "self_attn.k_norm.weight", shape.head_dim());
    }
    list.matrix(i, "self_attn.o_proj.weight", width, queries).role = Role::kBranchOutput;
    list.norm(i, "post_attention_layernorm.weight", width);
    list.matrices(i, "mlp.gate_up_proj.weight", width,
                  {{"mlp.gate_proj.weight", inner}, {"mlp.up_proj.weight", inner}});
    list.matrix(i, "mlp.down_proj.weight", width, inner).role = Role::kBranchOutput;
  }
  list.norm(-1, "model.norm.weight", width).role = Role::kHead;
  if (!shape.tied) list.matrix(-1, "lm_head.weight", shape.vocab_size, width).role = Role::kHead;
  return list.take();
}

// Queries, keys and values; scores; mixing; the projection of the heads; the MLP's two factors side
// by side; its output.
std::vector<MatrixProduct> rotary_decoder_block_products(const ModelShape& shape, bool qk_norm) {
  const int64_t width = shape.width;
  const int64_t inner = shape.inner_width();
  const int64_t queries = shape.heads * shape.head_dim();
  const int64_t keys = shape.kv_heads() * shape.head_dim();
  constexpr int64_t kLength = MatrixProduct::kSequenceLength;
  // With head norms the backward pass needs qkv twice: before the norm, and as attention reads it.
  return {{.inner = width, .outer = queries + 2 * keys, .kept = qk_norm ? 2 : 1},
          {queries, kLength},
          {kLength, queries},
          {queries, width},
          {width, 2 * inner},
          {inner, width}};
}

std::vector<MatrixProduct> rotary_decoder_head_products(const ModelShape& shape) {
  return {{shape.width, shape.vocab_size}};
}

int64_t rotary_decoder_inner_width(int64_t width) {
  constexpr int64_t kMultiple = 16;
  return (8 * width / 3 + kMultiple - 1) / kMultiple * kMultiple;
}

Json write_rotary_decoder_config(const ModelSpec& spec, int64_t num_layers,
                                 const ConfigTokens& tokens) {
  const ModelShape& shape = spec.shape;
  Json rope = {{"rope_type", "default"}, {"rope_theta", spec.rope.theta}};
  Json scaling;
  if (spec.rope.scaling) {
    scaling = {{"rope_type", "llama3"},
               {"factor", spec.rope.scaling->factor},
               {"low_freq_factor", spec.rope.scaling->low_freq_factor},
               {"high_freq_factor", spec.rope.scaling->high_freq_factor},
               {"original_max_position_embeddings", spec.rope.scaling->original_context}};
    rope.update(scaling);
  }
  return {{"vocab_size", shape.vocab_size},
          {"max_position_embeddings", shape.context},
          {"hidden_size", shape.width},
          {"intermediate_size", shape.inner_width()},
          {"num_hidden_layers", num_layers},
          {"num_attention_heads", shape.heads},
          {"num_key_value_heads", shape.kv_heads()},
          {"head_dim", shape.head_dim()},
          {"hidden_act", "silu"},
          {"rms_norm_eps", spec.norm_epsilon},
          {"initializer_range", spec.init_std},
          {"rope_parameters", rope},
          {"rope_theta", spec.rope.theta},
          {"rope_scaling", scaling},
          {"attention_bias", false},
          {"attention_dropout", spec.dropout},
          {"tie_word_embeddings", shape.tied},
          {"use_cache", true},
          {"bos_token_id", id_json(tokens.bos)},
          {"eos_token_id", id_json(tokens.eos)},
          {"pad_token_id", id_json(tokens.pad)},
          {"dtype", "float32"},
          {"torch_dtype", "float32"}};
}

ModelSpec read_rotary_decoder_config(const ConfigReader& reader, int64_t default_head_dim) {
  ModelSpec spec;
  ModelShape& shape = spec.shape;
  shape.layers = reader.num_layers("num_hidden_layers");
  shape.width = reader.size("hidden_size");
  shape.heads = reader.size("num_attention_heads");
  shape.context = reader.size("max_position_embeddings");
  shape.vocab_size = reader.size("vocab_size");
  shape.set_inner_width(reader.size("intermediate_size"));
  shape.set_kv_heads(reader.size("num_key_value_heads", shape.heads));
  if (const int64_t head = reader.size("head_dim", default_head_dim)) shape.set_head_dim(head);
  shape.tied = reader.flag("tie_word_embeddings", false);
  check_heads(reader, shape);
  spec.rope = read_rope(reader);
  spec.norm_epsilon = reader.number("rms_norm_eps", 1e-6);
  spec.dropout = reader.number("attention_dropout", 0.0);
  spec.init_std = reader.number("initializer_range", 0.02);
  reader.require("hidden_act", {"silu"});
  reader.require("attention_bias", {false});
  return spec;
}

WeightNames rotary_decoder_names() {
  return {.body = "model.",
          .head = "lm_head.",
          .beside = {"score.", "classifier.", "qa_outputs."},
          .constants = {".rotary_emb.inv_freq"},
          .tied = {{"lm_head.weight", "model.embed_tokens.weight"}},
          .renamed = {}};
}

}  // namespace apollo
