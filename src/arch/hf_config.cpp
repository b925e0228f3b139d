#include "arch/hf_config.h"

#include <string>

#include "arch/size_limits.h"
#include "base/error.h"

namespace apollo {
namespace {

LayerMapKind read_layer_map(const ConfigReader& reader, const Json& apollo) {
  const auto found = apollo.find("layer_map");
  if (found == apollo.end() || found->is_null()) return LayerMapKind::kInterpolate;
  const auto kind =
      found->is_string() ? find_enum<LayerMapKind>(found->get<std::string>()) : std::nullopt;
  if (!kind) {
    reader.reject(fmt::format("key 'layer_map' is {}: expected one of {}", found->dump(),
                              enum_choices<LayerMapKind>()));
  }
  return *kind;
}

}  // namespace

Json id_json(const std::optional<TokenId>& id) {
  return id ? Json(*id) : Json(nullptr);
}

ConfigTokens config_tokens(const Tokenizer* tokenizer) {
  if (tokenizer == nullptr) return {};
  const TokenRoles& roles = tokenizer->roles();
  const std::optional<TokenId> end = tokenizer->end_of_text();
  return {.bos = roles.bos ? roles.bos : end,
          .eos = end,
          .pad = roles.pad ? roles.pad : end,
          .cls = roles.cls,
          .sep = roles.sep};
}

Json to_hf_config(const ModelSpec& spec, int64_t num_layers, const ConfigTokens& tokens) {
  Json config = describe(spec.shape.architecture).write_config(spec, num_layers, tokens);
  config["apollo"] = {{"final_layers", spec.shape.layers},
                      {"layer_map", enum_name(spec.layer_map)}};
  return config;
}

Json derived_hf_config(Json source, const DescribedModel& from, const DescribedModel& to) {
  const Json before = to_hf_config(from.spec, from.num_layers, {});
  const Json after = to_hf_config(to.spec, to.num_layers, {});
  for (const auto& [key, value] : after.items()) {
    if (value != before.at(key)) source[key] = value;
  }
  if (from.num_layers != to.num_layers) {
    for (const std::string_view key : describe(to.spec.shape.architecture).per_layer_keys)
      source.erase(std::string(key));
  }
  source["apollo"] = after.at("apollo");
  return source;
}

namespace {

void check_limits(const std::string& path, const ModelShape& shape) {
  struct Limited {
    const char* name;
    int64_t value;
    int64_t limit;
  };
  for (const Limited& size : {Limited{"layers", shape.layers, SizeLimits::kLayers},
                              Limited{"width", shape.width, SizeLimits::kWidth},
                              Limited{"heads", shape.heads, SizeLimits::kWidth},
                              Limited{"inner width", shape.inner, SizeLimits::kInner},
                              Limited{"context", shape.context, SizeLimits::kContext},
                              Limited{"vocabulary", shape.vocab_size, SizeLimits::kVocabSize},
                              Limited{"token types", shape.token_types, SizeLimits::kTokenTypes}}) {
    if (size.value <= size.limit) continue;
    fail<CheckpointError>("{}: {}: expected at most {}, found {}", path, size.name, size.limit,
                          size.value);
  }
}

}  // namespace

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
      type_value.is_string() ? type_value.get<std::string>() : type_value.dump().substr(0, 60);
  const std::optional<Architecture> architecture = find_enum<Architecture>(type);
  if (!architecture) {
    fail<CheckpointError>("{}: model_type is '{}': expected one of {}", path.string(), type,
                          enum_choices<Architecture>());
  }
  HfConfig result;
  result.spec = describe(*architecture).read_config(ConfigReader(path, config));
  result.spec.shape.architecture = *architecture;
  result.num_layers = result.spec.shape.layers;
  check_limits(path.string(), result.spec.shape);
  if (config.contains("apollo")) {
    const Json& apollo = config["apollo"];
    if (!apollo.is_object()) {
      fail<CheckpointError>("{}: key 'apollo': expected an object, found {}", path.string(),
                            apollo.dump().substr(0, 60));
    }
    const ConfigReader apollo_reader(path, apollo);
    result.spec.shape.layers = apollo_reader.size("final_layers");
    result.spec.layer_map = read_layer_map(apollo_reader, apollo);
    if (result.spec.shape.layers < result.num_layers) {
      fail<CheckpointError>("{}: final_layers is {}, but there are {} layers", path.string(),
                            result.spec.shape.layers, result.num_layers);
    }
  }
  check_limits(path.string(), result.spec.shape);
  return result;
}

}  // namespace apollo
