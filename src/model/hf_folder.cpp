#include "model/hf_folder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <fmt/ranges.h>

#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "model/hf_config.h"
#include "model/safetensors.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "transformer.";
constexpr std::string_view kTiedHead = "lm_head.weight";

// Constants that old versions of `transformers` saved among the weights.
bool is_buffer(std::string_view name) {
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
}

// The files that a shard index names, each once.
std::set<std::string> read_shard_names(const fs::path& index) {
  Json json;
  try {
    json = read_json(index);
  } catch (const DataError& error) {
    throw CheckpointError(error.what());
  }
  const Json map = json.is_object() && json.contains("weight_map") ? json["weight_map"] : Json();
  std::set<std::string> shards;
  for (const auto& [name, shard] : map.items()) {
    if (!shard.is_string()) {
      shards.clear();
      break;
    }
    shards.insert(shard.get<std::string>());
  }
  if (!map.is_object() || shards.empty()) {
    fail<CheckpointError>("{}: expected 'weight_map' with a file for each parameter",
                          index.string());
  }
  for (const std::string& shard : shards) {
    if (fs::path(shard).filename() != shard) {
      fail<CheckpointError>("{}: shard '{}' is not a file of this folder", index.string(), shard);
    }
  }
  return shards;
}

NamedTensors read_weights(const fs::path& dir) {
  const fs::path whole = dir / "model.safetensors";
  if (fs::exists(whole)) return read_safetensors(whole).tensors;
  const fs::path index = dir / "model.safetensors.index.json";
  if (!fs::exists(index)) {
    const bool pickled = fs::exists(dir / "pytorch_model.bin");
    fail<CheckpointError>("{}: there is no model.safetensors{}", dir.string(),
                          pickled ? "; hint: save pytorch_model.bin again with "
                                    "`model.save_pretrained(folder)`"
                                  : "");
  }
  const std::set<std::string> shards = read_shard_names(index);
  NamedTensors tensors;
  for (const std::string& shard : shards) {
    for (auto& tensor : read_safetensors(dir / shard).tensors)
      tensors.push_back(std::move(tensor));
  }
  return tensors;
}

std::string canonical_name(const std::string& name) {
  return name.starts_with(kPrefix) || name == kTiedHead ? name : std::string(kPrefix) + name;
}

using WeightMap = std::map<std::string, at::Tensor>;

// The weights by the names that Apollo writes, without buffers.
WeightMap canonical_weights(const fs::path& dir, NamedTensors tensors) {
  WeightMap found;
  for (auto& [name, tensor] : tensors) {
    if (is_buffer(name)) continue;
    const std::string canonical = canonical_name(name);
    if (!found.emplace(canonical, std::move(tensor)).second) {
      fail<CheckpointError>("{}: parameter '{}' stands there twice", dir.string(), canonical);
    }
  }
  return found;
}

// Holds the weights to the config before a model of its sizes is allocated.
void check_weights(const fs::path& dir, const HfConfig& config, const WeightMap& found) {
  if (config.num_layers > static_cast<int64_t>(found.size())) {
    fail<CheckpointError>("{}: config.json asks for {} layers, but there are {} parameters",
                          dir.string(), config.num_layers, found.size());
  }
  std::set<std::string> expected = {std::string(kTiedHead)};
  for (const ParameterSpec& spec : model_parameters(config.spec, config.num_layers)) {
    const auto entry = found.find(spec.name);
    if (entry == found.end()) {
      fail<CheckpointError>("{}: parameter '{}' is missing", dir.string(), spec.name);
    }
    if (entry->second.sizes() != at::IntArrayRef(spec.shape)) {
      fail<CheckpointError>("{}: parameter '{}': expected shape [{}], found [{}]", dir.string(),
                            spec.name, fmt::join(spec.shape, ", "),
                            fmt::join(entry->second.sizes(), ", "));
    }
    expected.insert(spec.name);
  }
  for (const auto& [name, tensor] : found) {
    if (!expected.contains(name)) {
      fail<CheckpointError>("{}: parameter '{}' does not belong to this architecture", dir.string(),
                            name);
    }
  }
  const auto head = found.find(std::string(kTiedHead));
  if (head != found.end() && !at::equal(head->second, found.at("transformer.wte.weight"))) {
    fail<CheckpointError>("{}: '{}' differs from the token embedding; expected a tied head",
                          dir.string(), kTiedHead);
  }
}

}  // namespace

void save_hf_model(const LanguageModel& model, const fs::path& dir,
                   std::optional<TokenId> end_of_text) {
  const Json config = to_hf_config(model.spec(), model.num_layers(), end_of_text);
  write_file_atomic(dir / "config.json", config.dump(2) + "\n");
  NamedTensors tensors;
  for (const ParameterSlot& slot : model.parameters().layout().slots()) {
    tensors.emplace_back(slot.spec.name, slot_view(model.parameters().values(), slot));
  }
  write_safetensors(dir / "model.safetensors", tensors, {{"format", "pt"}});
}

std::unique_ptr<LanguageModel> load_hf_model(const fs::path& dir, at::Device device) {
  const HfConfig config = read_hf_config(dir / "config.json");
  auto found = canonical_weights(dir, read_weights(dir));
  check_weights(dir, config, found);
  auto model = make_model(config.spec, config.num_layers, device);
  const at::NoGradGuard no_grad;
  for (const ParameterSlot& slot : model->parameters().layout().slots()) {
    slot_view(model->parameters().values(), slot).copy_(found.at(slot.spec.name));
  }
  return model;
}

}  // namespace apollo
