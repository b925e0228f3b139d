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

NamedTensors read_weights(const fs::path& dir) {
  const fs::path whole = dir / "model.safetensors";
  if (fs::exists(whole)) return read_safetensors(whole);
  const fs::path index = dir / "model.safetensors.index.json";
  if (!fs::exists(index)) {
    const bool pickled = fs::exists(dir / "pytorch_model.bin");
    fail<CheckpointError>("{}: there is no model.safetensors{}", dir.string(),
                          pickled ? "; hint: save pytorch_model.bin again with "
                                    "`model.save_pretrained(folder)`"
                                  : "");
  }
  std::set<std::string> shards;
  const Json index_json = read_json(index);
  for (const auto& [name, shard] : index_json.at("weight_map").items()) {
    shards.insert(shard.get<std::string>());
  }
  NamedTensors tensors;
  for (const std::string& shard : shards) {
    for (auto& tensor : read_safetensors(dir / shard))
      tensors.push_back(std::move(tensor));
  }
  return tensors;
}

std::string canonical_name(const std::string& name) {
  return name.starts_with(kPrefix) || name == kTiedHead ? name : std::string(kPrefix) + name;
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
  auto model = make_model(config.spec, config.num_layers, device);
  std::map<std::string, at::Tensor> found;
  for (auto& [name, tensor] : read_weights(dir)) {
    if (!is_buffer(name)) found.emplace(canonical_name(name), std::move(tensor));
  }
  const at::NoGradGuard no_grad;
  for (const ParameterSlot& slot : model->parameters().layout().slots()) {
    const auto entry = found.find(slot.spec.name);
    if (entry == found.end()) {
      fail<CheckpointError>("{}: parameter '{}' is missing", dir.string(), slot.spec.name);
    }
    if (entry->second.sizes() != at::IntArrayRef(slot.spec.shape)) {
      fail<CheckpointError>("{}: parameter '{}': expected shape [{}], found [{}]", dir.string(),
                            slot.spec.name, fmt::join(slot.spec.shape, ", "),
                            fmt::join(entry->second.sizes(), ", "));
    }
    slot_view(model->parameters().values(), slot).copy_(entry->second);
    if (slot.spec.part != "wte.weight") found.erase(entry);
  }
  const auto head = found.find(std::string(kTiedHead));
  const auto embedding = found.find("transformer.wte.weight");
  if (head != found.end() && !at::equal(head->second, embedding->second)) {
    fail<CheckpointError>("{}: '{}' differs from the token embedding; expected a tied head",
                          dir.string(), kTiedHead);
  }
  found.erase("transformer.wte.weight");
  found.erase(std::string(kTiedHead));
  if (!found.empty()) {
    fail<CheckpointError>("{}: parameter '{}' does not belong to this architecture", dir.string(),
                          found.begin()->first);
  }
  return model;
}

}  // namespace apollo
