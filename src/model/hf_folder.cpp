#include "model/hf_folder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "arch/architecture.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// Returns the files that a shard index names, each once.
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

// Returns the name prefixes of the parts of the language head.
std::vector<std::string_view> heads_of(const WeightNames& names) {
  if (names.transform.empty()) return {names.head};
  return {names.head, names.transform};
}

std::vector<std::string_view> parts_of_model(const WeightNames& names) {
  std::vector<std::string_view> parts = heads_of(names);
  parts.push_back(names.body);
  return parts;
}

// Returns the names and shapes under which a folder stores a parameter.
std::vector<std::pair<std::string, std::vector<int64_t>>> stored_parts(const ParameterSpec& spec) {
  if (spec.pieces.empty()) return {{spec.name, spec.shape}};
  const std::vector<int64_t> rows = rows_of_pieces(spec);
  std::vector<std::pair<std::string, std::vector<int64_t>>> parts;
  for (size_t i = 0; i < rows.size(); ++i) {
    std::vector<int64_t> shape = spec.shape;
    shape.front() = rows[i];
    parts.emplace_back(spec.pieces[i], std::move(shape));
  }
  return parts;
}

// Returns views of a parameter under the names of stored_parts().
NamedTensors stored_views(const ParameterSpec& spec, const at::Tensor& value) {
  NamedTensors views;
  int64_t begin = 0;
  for (const auto& [name, shape] : stored_parts(spec)) {
    views.emplace_back(name, value.narrow(0, begin, shape.front()));
    begin += shape.front();
  }
  return views;
}

// Prefixes that wrappers of training (torch.compile, DistributedDataParallel) add to every name.
constexpr std::string_view kWrappers[] = {"_orig_mod.", "module."};

// Returns the current name of a parameter in a model with its language head.
std::string canonical_name(std::string name, const WeightNames& names,
                           const std::set<std::string, std::less<>>& body_roots) {
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view wrapper : kWrappers) {
      if (!name.starts_with(wrapper)) continue;
      name.erase(0, wrapper.size());
      again = true;
    }
  }
  for (const auto& [old_end, new_end] : names.renamed) {
    if (name.ends_with(old_end))
      name.replace(name.size() - old_end.size(), old_end.size(), new_end);
  }
  const bool is_bare = body_roots.contains(std::string_view(name).substr(0, name.find('.')));
  return is_bare ? std::string(names.body) + name : name;
}

// Returns the first components of the names after the body's prefix ("wte", "h", ...). The names of
// a model without head begin with them.
std::set<std::string, std::less<>> body_roots(const HfConfig& config, const WeightNames& names) {
  std::set<std::string, std::less<>> roots;
  const auto add = [&](std::string_view name) {
    if (!name.starts_with(names.body)) return;
    name.remove_prefix(names.body.size());
    roots.emplace(name.substr(0, name.find('.')));
  };
  for (const ParameterSpec& spec : model_parameters(config.spec, /*num_layers=*/1))
    add(spec.name);
  for (const std::string_view prefix : names.beside)
    add(prefix);
  return roots;
}

struct FoundTensor {
  at::Tensor value;
  std::string name;  // in the file
};

using WeightMap = std::map<std::string, FoundTensor>;

// The tensors of a folder, under Apollo's names.
struct FolderTensors {
  WeightMap model;      // of the language model
  NamedTensors beside;  // other heads and the pooler
};

// Drops copies of tied parameters. If only the copy exists, it gets the original's name.
void resolve_tied(const fs::path& dir, const WeightNames& names, WeightMap& found) {
  for (const auto& [copy_name, original_name] : names.tied) {
    auto copy = found.extract(std::string(copy_name));
    if (copy.empty()) continue;
    const auto original = found.find(std::string(original_name));
    if (original == found.end()) {
      copy.key() = original_name;
      found.insert(std::move(copy));
      continue;
    }
    const at::Tensor& value = original->second.value;
    // A copy that was saved in another type is rounded.
    if (!at::equal(copy.mapped().value, value.to(copy.mapped().value.scalar_type()))) {
      fail<CheckpointError>("{}: '{}' differs from '{}'; expected a tied head", dir.string(),
                            copy.mapped().name, original->second.name);
    }
  }
}

FolderTensors read_folder(const fs::path& dir, const HfConfig& config) {
  const WeightNames& names = describe(config.spec.shape.architecture).names;
  const auto roots = body_roots(config, names);
  FolderTensors found;
  std::vector<std::string> unknown;
  for (auto& [name, tensor] : read_weights(dir)) {
    const std::string canonical = canonical_name(name, names, roots);
    const bool is_constant =
        std::any_of(names.constants.begin(), names.constants.end(),
                    [&](std::string_view ending) { return canonical.ends_with(ending); });
    if (is_constant) continue;
    const bool known = starts_with_any(canonical, names.beside);
    if (known || !starts_with_any(canonical, parts_of_model(names))) {
      if (!known) unknown.push_back(name);
      found.beside.emplace_back(canonical, std::move(tensor));
      continue;
    }
    const auto [place, is_new] = found.model.try_emplace(canonical, std::move(tensor), name);
    if (!is_new) {
      const std::string& other = place->second.name;
      fail<CheckpointError>("{}: parameter '{}' stands there twice{}", dir.string(), name,
                            other == name ? "" : fmt::format(", also as '{}'", other));
    }
  }
  if (!unknown.empty()) {
    log_warning(
        "{}: {} parameter{} not read, as no part of the model that Apollo knows: '{}'",
        dir.string(), unknown.size(), unknown.size() == 1 ? " is" : "s are",
        fmt::join(unknown.begin(), unknown.begin() + std::min<int64_t>(4, unknown.size()), "', '"));
  }
  if (config.spec.shape.tied) resolve_tied(dir, names, found.model);
  return found;
}

// Returns the prefixes of those parts of the language head that the folder lacks completely.
std::vector<std::string_view> lacking_heads(const WeightMap& found, const ModelSpec& spec) {
  std::vector<std::string_view> lacking;
  const std::vector<ParameterSpec> parameters = model_parameters(spec, /*num_layers=*/0);
  for (const std::string_view head : heads_of(describe(spec.shape.architecture).names)) {
    const bool needed =
        std::any_of(parameters.begin(), parameters.end(),
                    [&](const ParameterSpec& part) { return part.name.starts_with(head); });
    const bool there = std::any_of(found.begin(), found.end(), [&](const auto& entry) {
      return entry.first.starts_with(head);
    });
    if (needed && !there) lacking.push_back(head);
  }
  return lacking;
}

// Checks the weights against the config before a model of its sizes is allocated.
void check_weights(const fs::path& dir, const HfConfig& config, const WeightMap& found,
                   bool needs_head) {
  if (config.num_layers > static_cast<int64_t>(found.size())) {
    fail<CheckpointError>("{}: config.json asks for {} layers, but there are {} parameters",
                          dir.string(), config.num_layers, found.size());
  }
  const std::vector<std::string_view> lacking = lacking_heads(found, config.spec);
  std::set<std::string> expected;
  for (const ParameterSpec& spec : model_parameters(config.spec, config.num_layers)) {
    if (spec.outside_format) continue;
    for (const auto& [name, shape] : stored_parts(spec)) {
      expected.insert(name);
      const auto entry = found.find(name);
      if (entry == found.end()) {
        const bool lacks_head = starts_with_any(name, lacking);
        if (lacks_head && !needs_head) continue;
        fail<CheckpointError>("{}: parameter '{}' is missing{}", dir.string(), name,
                              lacks_head ? "; the model has no language head, which only `apollo "
                                           "finetune`, `grow` and `export` can do without"
                                         : "");
      }
      const auto& [value, file_name] = entry->second;
      if (value.sizes() != at::IntArrayRef(shape)) {
        fail<CheckpointError>("{}: parameter '{}': expected shape [{}], found [{}]", dir.string(),
                              file_name, fmt::join(shape, ", "), fmt::join(value.sizes(), ", "));
      }
      if (!value.is_floating_point()) {
        fail<CheckpointError>("{}: parameter '{}': expected floating-point numbers, found {}",
                              dir.string(), file_name, at::toString(value.scalar_type()));
      }
    }
  }
  for (const auto& [name, tensor] : found) {
    if (!expected.contains(name)) {
      fail<CheckpointError>("{}: parameter '{}' does not belong to this architecture", dir.string(),
                            tensor.name);
    }
  }
}

void write_folder(const fs::path& dir, const Json& config, const NamedTensors& tensors) {
  write_file_atomic(dir / "config.json", config.dump(2) + "\n");
  write_safetensors(dir / "model.safetensors", tensors, {{"format", "pt"}});
}

constexpr const char* kOutsideFile = "apollo/parameters.safetensors";

// Returns the parameters outside of HF's format, under Apollo's names.
NamedTensors outside_tensors(const ParameterLayout& layout, const at::Tensor& values) {
  NamedTensors tensors;
  for (const ParameterSlot& slot : layout.slots()) {
    if (slot.spec.outside_format) tensors.emplace_back(slot.spec.name, slot_view(values, slot));
  }
  return tensors;
}

void write_outside(const fs::path& dir, const ModelWeights& weights) {
  const NamedTensors tensors = outside_tensors(weights.layout, weights.values);
  if (tensors.empty()) return;
  fs::create_directories(dir / "apollo");
  write_safetensors(dir / kOutsideFile, tensors, {{"format", "pt"}});
}

// Reads these parameters if the folder has them. In a final model missing ones are initialised
// anew, because nothing reads them before the model grows.
void read_outside(const fs::path& dir, LanguageModel& model, uint64_t seed) {
  ParameterSet& parameters = model.parameters();
  const NamedTensors wanted = outside_tensors(parameters.layout(), parameters.values());
  if (wanted.empty()) return;
  const fs::path path = dir / kOutsideFile;
  if (!fs::exists(path)) {
    if (model.num_layers() < model.spec().shape.layers) {
      fail<CheckpointError>(
          "{}: there is no {}, which holds '{}' of a model that shares its layers (hint: without "
          "the key 'apollo' in config.json it is one of {} layers that it does not share)",
          dir.string(), kOutsideFile, wanted.front().first, model.num_layers());
    }
    for (const ParameterSlot& slot : parameters.layout().slots()) {
      if (slot.spec.outside_format) parameters.initialize_layer(slot.spec.layer, seed);
    }
    return;
  }
  const NamedTensors stored = read_safetensors(path).tensors;
  const std::map<std::string, at::Tensor> found(stored.begin(), stored.end());
  const at::NoGradGuard no_grad;
  for (const auto& [name, value] : wanted) {
    const auto entry = found.find(name);
    if (entry == found.end() || entry->second.sizes() != value.sizes() ||
        !entry->second.is_floating_point()) {
      fail<CheckpointError>("{}: expected parameter '{}' of {} numbers", path.string(), name,
                            value.numel());
    }
    value.copy_(entry->second);
  }
}

}  // namespace

ModelWeights weights_of(const LanguageModel& model) {
  return {model.spec(), model.num_layers(), model.parameters().layout(),
          model.parameters().values()};
}

NamedTensors hf_tensors(const ModelWeights& weights, const std::vector<std::string_view>& without) {
  NamedTensors tensors;
  for (const ParameterSlot& slot : weights.layout.slots()) {
    if (slot.spec.outside_format || starts_with_any(slot.spec.name, without)) continue;
    for (auto& part : stored_views(slot.spec, slot_view(weights.values, slot)))
      tensors.push_back(std::move(part));
  }
  return tensors;
}

void save_hf_model(const ModelWeights& weights, const fs::path& dir, const ConfigTokens& tokens) {
  write_folder(dir, to_hf_config(weights.spec, weights.num_layers, tokens), hf_tensors(weights));
  write_outside(dir, weights);
}

void save_hf_model(const LanguageModel& model, const fs::path& dir, const ConfigTokens& tokens) {
  save_hf_model(weights_of(model), dir, tokens);
}

std::unique_ptr<LanguageModel> load_hf_model(const fs::path& dir, at::Device device,
                                             const HfLoadOptions& options) {
  const HfConfig config = read_hf_config(dir / "config.json");
  const WeightMap found = read_folder(dir, config).model;
  check_weights(dir, config, found, options.needs_head);
  auto model = make_model(config.spec, config.num_layers, device);
  ParameterSet& parameters = model->parameters();
  if (!options.needs_head) parameters.initialize(options.seed);
  read_outside(dir, *model, options.seed);
  const at::NoGradGuard no_grad;
  for (const ParameterSlot& slot : parameters.layout().slots()) {
    for (auto& [name, view] : stored_views(slot.spec, slot_view(parameters.values(), slot))) {
      const auto entry = found.find(name);
      if (entry != found.end()) view.copy_(entry->second.value);
    }
  }
  return model;
}

std::optional<at::Tensor> FolderRest::find(const std::string& name) const {
  for (const auto& [found, tensor] : tensors) {
    if (found == name) return tensor;
  }
  return std::nullopt;
}

FolderRest read_folder_rest(const fs::path& dir) {
  const HfConfig config = read_hf_config(dir / "config.json");
  FolderTensors found = read_folder(dir, config);
  FolderRest rest;
  rest.config = read_json(dir / "config.json");
  rest.lacks = lacking_heads(found.model, config.spec);
  rest.tensors = std::move(found.beside);
  if (found.model.empty()) return rest;
  const at::ScalarType first = found.model.begin()->second.value.scalar_type();
  const bool alike = std::all_of(found.model.begin(), found.model.end(), [&](const auto& entry) {
    return entry.second.value.scalar_type() == first;
  });
  if (alike && (first == at::kHalf || first == at::kBFloat16)) rest.dtype = first;
  return rest;
}

void save_derived_model(const LanguageModel& model, const FolderRest& rest,
                        const DescribedModel& from, const fs::path& dir) {
  NamedTensors tensors = hf_tensors(weights_of(model), rest.lacks);
  for (auto& [name, tensor] : tensors)
    tensor = tensor.to(rest.dtype);
  if (model.spec().shape.width == from.spec.shape.width) {
    tensors.insert(tensors.end(), rest.tensors.begin(), rest.tensors.end());
  } else {
    for (const auto& [name, tensor] : rest.tensors)
      log_warning("'{}' is left out: it does not fit the new width", name);
  }
  write_folder(dir, derived_hf_config(rest.config, from, {model.spec(), model.num_layers()}),
               tensors);
  if (model.num_layers() < model.spec().shape.layers) write_outside(dir, weights_of(model));
}

}  // namespace apollo
