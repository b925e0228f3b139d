#include "model/hf_folder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "model/architecture.h"
#include "model/hf_config.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

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

bool starts_with_any(std::string_view name, const std::vector<std::string_view>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

// The name as a model with its language head has it, by today's spelling.
std::string canonical_name(std::string name, const WeightNames& names) {
  for (const auto& [old_end, new_end] : names.renamed) {
    if (name.ends_with(old_end))
      name.replace(name.size() - old_end.size(), old_end.size(), new_end);
  }
  const bool is_whole = name.starts_with(names.body) || starts_with_any(name, names.heads);
  return is_whole ? name : std::string(names.body) + name;
}

bool is_passed_over(std::string_view name, const WeightNames& names) {
  return starts_with_any(name, names.passed) ||
         std::any_of(names.constants.begin(), names.constants.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

using WeightMap = std::map<std::string, at::Tensor>;

// The weights by the names that Apollo writes, without what it does not read.
WeightMap canonical_weights(const fs::path& dir, NamedTensors tensors, const WeightNames& names) {
  WeightMap found;
  for (auto& [name, tensor] : tensors) {
    const std::string canonical = canonical_name(name, names);
    if (is_passed_over(canonical, names)) continue;
    if (!found.emplace(canonical, std::move(tensor)).second) {
      fail<CheckpointError>("{}: parameter '{}' stands there twice", dir.string(), canonical);
    }
  }
  return found;
}

// The names and shapes under which a folder holds a parameter.
std::vector<std::pair<std::string, std::vector<int64_t>>> stored_parts(const ParameterSpec& spec) {
  if (spec.pieces.empty()) return {{spec.name, spec.shape}};
  std::vector<int64_t> shape = spec.shape;
  shape.front() /= static_cast<int64_t>(spec.pieces.size());
  std::vector<std::pair<std::string, std::vector<int64_t>>> parts;
  for (const std::string& piece : spec.pieces)
    parts.emplace_back(piece, shape);
  return parts;
}

// The views of a parameter that stand in a folder under the names of stored_parts().
NamedTensors stored_views(const ParameterSpec& spec, const at::Tensor& value) {
  NamedTensors views;
  int64_t begin = 0;
  for (const auto& [name, shape] : stored_parts(spec)) {
    views.emplace_back(name, value.narrow(0, begin, shape.front()));
    begin += shape.front();
  }
  return views;
}

// Holds the copies of tied parameters to their originals and drops them.
void drop_tied(const fs::path& dir, const WeightNames& names, WeightMap& found) {
  for (const auto& [copy_name, original_name] : names.tied) {
    const auto copy = found.find(std::string(copy_name));
    if (copy == found.end()) continue;
    const auto original = found.find(std::string(original_name));
    if (original != found.end() && !at::equal(copy->second, original->second)) {
      fail<CheckpointError>("{}: '{}' differs from '{}'; expected a tied head", dir.string(),
                            copy_name, original_name);
    }
    found.erase(copy);
  }
}

// Holds the weights to the config before a model of its sizes is allocated.
void check_weights(const fs::path& dir, const HfConfig& config, const WeightMap& found,
                   const WeightNames& names, bool needs_head) {
  if (config.num_layers > static_cast<int64_t>(found.size())) {
    fail<CheckpointError>("{}: config.json asks for {} layers, but there are {} parameters",
                          dir.string(), config.num_layers, found.size());
  }
  const bool has_head = std::any_of(found.begin(), found.end(), [&](const auto& entry) {
    return starts_with_any(entry.first, names.heads);
  });
  std::set<std::string> expected;
  for (const ParameterSpec& spec : model_parameters(config.spec, config.num_layers)) {
    for (const auto& [name, shape] : stored_parts(spec)) {
      expected.insert(name);
      const auto entry = found.find(name);
      if (entry == found.end()) {
        const bool is_head = starts_with_any(name, names.heads);
        if (is_head && !has_head && !needs_head) continue;
        fail<CheckpointError>("{}: parameter '{}' is missing{}", dir.string(), name,
                              is_head && !has_head
                                  ? "; the model has no language head, which only `apollo "
                                    "finetune` can do without"
                                  : "");
      }
      if (entry->second.sizes() != at::IntArrayRef(shape)) {
        fail<CheckpointError>("{}: parameter '{}': expected shape [{}], found [{}]", dir.string(),
                              name, fmt::join(shape, ", "), fmt::join(entry->second.sizes(), ", "));
      }
    }
  }
  for (const auto& [name, tensor] : found) {
    if (!expected.contains(name)) {
      fail<CheckpointError>("{}: parameter '{}' does not belong to this architecture", dir.string(),
                            name);
    }
  }
}

}  // namespace

ModelWeights weights_of(const LanguageModel& model) {
  return {model.spec(), model.num_layers(), model.parameters().layout(),
          model.parameters().values()};
}

NamedTensors hf_tensors(const ModelWeights& weights, bool with_head) {
  const WeightNames& names = describe(weights.spec.shape.architecture).names;
  NamedTensors tensors;
  for (const ParameterSlot& slot : weights.layout.slots()) {
    if (!with_head && starts_with_any(slot.spec.name, names.heads)) continue;
    for (auto& part : stored_views(slot.spec, slot_view(weights.values, slot)))
      tensors.push_back(std::move(part));
  }
  return tensors;
}

void save_hf_model(const ModelWeights& weights, const fs::path& dir,
                   std::optional<TokenId> end_of_text) {
  const Json config = to_hf_config(weights.spec, weights.num_layers, end_of_text);
  write_file_atomic(dir / "config.json", config.dump(2) + "\n");
  write_safetensors(dir / "model.safetensors", hf_tensors(weights, /*with_head=*/true),
                    {{"format", "pt"}});
}

void save_hf_model(const LanguageModel& model, const fs::path& dir,
                   std::optional<TokenId> end_of_text) {
  save_hf_model(weights_of(model), dir, end_of_text);
}

std::unique_ptr<LanguageModel> load_hf_model(const fs::path& dir, at::Device device,
                                             const HfLoadOptions& options) {
  const HfConfig config = read_hf_config(dir / "config.json");
  const WeightNames& names = describe(config.spec.shape.architecture).names;
  WeightMap found = canonical_weights(dir, read_weights(dir), names);
  drop_tied(dir, names, found);
  check_weights(dir, config, found, names, options.needs_head);
  auto model = make_model(config.spec, config.num_layers, device);
  ParameterSet& parameters = model->parameters();
  if (!options.needs_head) parameters.initialize(options.seed);
  const at::NoGradGuard no_grad;
  for (const ParameterSlot& slot : parameters.layout().slots()) {
    for (auto& [name, view] : stored_views(slot.spec, slot_view(parameters.values(), slot))) {
      const auto entry = found.find(name);
      if (entry != found.end()) view.copy_(entry->second);
    }
  }
  return model;
}

std::optional<at::Tensor> find_hf_tensor(const fs::path& dir, const std::string& name) {
  const HfConfig config = read_hf_config(dir / "config.json");
  const WeightNames& names = describe(config.spec.shape.architecture).names;
  for (auto& [found, tensor] : read_weights(dir)) {
    if (canonical_name(found, names) == name) return tensor;
  }
  return std::nullopt;
}

}  // namespace apollo
