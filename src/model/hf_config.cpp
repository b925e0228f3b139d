#include "model/hf_config.h"

#include <string>

#include "base/error.h"
#include "config/enum_names.h"

namespace apollo {
namespace {

// One config.json under inspection; every message names the file.
class ConfigReader {
 public:
  ConfigReader(const std::filesystem::path& path, const Json& config)
      : path_(path.string()), config_(config) {}

  int64_t size(const char* key) const {
    const auto found = config_.find(key);
    if (found == config_.end()) fail<CheckpointError>("{}: key '{}' is missing", path_, key);
    if (!found->is_number_integer() || found->get<int64_t>() < 1) {
      fail<CheckpointError>("{}: key '{}': expected a positive integer, found {}", path_, key,
                            found->dump());
    }
    return found->get<int64_t>();
  }

  double number(const char* key, double fallback) const {
    const auto found = config_.find(key);
    if (found == config_.end() || found->is_null()) return fallback;
    if (!found->is_number()) {
      fail<CheckpointError>("{}: key '{}': expected a number, found {}", path_, key, found->dump());
    }
    return found->get<double>();
  }

  // Refuses a value other than those that Apollo computes; a key left out or null is the first.
  void require(const char* key, std::initializer_list<Json> accepted) const {
    const auto found = config_.find(key);
    if (found == config_.end() || found->is_null()) return;
    for (const Json& value : accepted) {
      if (*found == value) return;
    }
    fail<CheckpointError>("{}: key '{}' is {}, which Apollo does not compute (expected {})", path_,
                          key, found->dump(), accepted.begin()->dump());
  }

  [[noreturn]] void reject(const std::string& what) const {
    fail<CheckpointError>("{}: {}", path_, what);
  }

 private:
  std::string path_;
  const Json& config_;
};

ModelSpec read_gpt2_config(const ConfigReader& reader) {
  ModelSpec spec;
  spec.shape.architecture = Architecture::kGpt2;
  spec.shape.layers = reader.size("n_layer");
  spec.shape.width = reader.size("n_embd");
  spec.shape.heads = reader.size("n_head");
  spec.shape.context = reader.size("n_positions");
  spec.shape.vocab_size = reader.size("vocab_size");
  if (spec.shape.width % spec.shape.heads != 0) {
    reader.reject(
        fmt::format("n_head {} does not divide n_embd {}", spec.shape.heads, spec.shape.width));
  }
  spec.norm_epsilon = reader.number("layer_norm_epsilon", 1e-5);
  spec.dropout = reader.number("resid_pdrop", 0.1);
  reader.require("n_inner", {4 * spec.shape.width});
  reader.require("activation_function", {"gelu_new", "gelu_pytorch_tanh"});
  reader.require("scale_attn_weights", {true});
  reader.require("scale_attn_by_inverse_layer_idx", {false});
  reader.require("add_cross_attention", {false});
  reader.require("tie_word_embeddings", {true});
  // One dropout for all three places is what Apollo trains with.
  reader.require("embd_pdrop", {spec.dropout});
  reader.require("attn_pdrop", {spec.dropout});
  return spec;
}

}  // namespace

Json to_hf_config(const ModelSpec& spec, int64_t num_layers, std::optional<TokenId> end_of_text) {
  const Json end = end_of_text ? Json(*end_of_text) : Json(nullptr);
  return {
      {"architectures", {"GPT2LMHeadModel"}},
      {"model_type", "gpt2"},
      {"vocab_size", spec.shape.vocab_size},
      {"n_positions", spec.shape.context},
      {"n_ctx", spec.shape.context},
      {"n_embd", spec.shape.width},
      {"n_layer", num_layers},
      {"n_head", spec.shape.heads},
      {"n_inner", nullptr},
      {"activation_function", "gelu_new"},
      {"resid_pdrop", spec.dropout},
      {"embd_pdrop", spec.dropout},
      {"attn_pdrop", spec.dropout},
      {"layer_norm_epsilon", spec.norm_epsilon},
      {"initializer_range", 0.02},
      {"scale_attn_weights", true},
      {"scale_attn_by_inverse_layer_idx", false},
      {"reorder_and_upcast_attn", false},
      {"tie_word_embeddings", true},
      {"use_cache", true},
      {"bos_token_id", end},
      {"eos_token_id", end},
      {"torch_dtype", "float32"},
      {"apollo", {{"final_layers", spec.shape.layers}, {"layer_map", enum_name(spec.layer_map)}}}};
}

HfConfig read_hf_config(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) {
    fail<CheckpointError>("{}: there is no config.json; expected a Hugging Face model folder",
                          path.parent_path().string());
  }
  Json config;
  try {
    config = read_json(path);
  } catch (const DataError& error) {
    throw CheckpointError(error.what());
  }
  const Json type_value = config.is_object() ? config.value("model_type", Json("")) : Json("");
  const std::string type =
      type_value.is_string() ? type_value.get<std::string>() : type_value.dump();
  if (type != "gpt2") {
    fail<CheckpointError>("{}: model_type is '{}': expected 'gpt2'", path.string(), type);
  }
  const ConfigReader reader(path, config);
  HfConfig result;
  result.spec = read_gpt2_config(reader);
  result.num_layers = result.spec.shape.layers;
  if (config.contains("apollo")) {
    const Json& apollo = config["apollo"];
    if (!apollo.is_object()) {
      fail<CheckpointError>("{}: key 'apollo': expected an object, found {}", path.string(),
                            apollo.dump());
    }
    const ConfigReader apollo_reader(path, apollo);
    apollo_reader.require("layer_map", {"interpolate", "stack"});
    result.spec.shape.layers = apollo_reader.size("final_layers");
    if (apollo.contains("layer_map") && apollo["layer_map"] == "stack") {
      result.spec.layer_map = LayerMapKind::kStack;
    }
    if (result.spec.shape.layers < result.num_layers) {
      fail<CheckpointError>("{}: final_layers is {}, but there are {} layers", path.string(),
                            result.spec.shape.layers, result.num_layers);
    }
  }
  return result;
}

}  // namespace apollo
