// A model as a Hugging Face folder: config.json and model.safetensors (or its shards), with HF's
// names and shapes, so that `transformers` loads what we write and we load what it wrote.
// Parameters that its format has no place for are in apollo/parameters.safetensors.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "arch/hf_config.h"
#include "model/model.h"
#include "model/safetensors.h"

namespace apollo {

// What a folder keeps of a model. Its values may be a copy, to be written while the model changes.
struct ModelWeights {
  ModelSpec spec;
  int64_t num_layers = 0;
  ParameterLayout layout;
  at::Tensor values;  // [layout.total_size()]
};

// With the model's own values, not a copy.
ModelWeights weights_of(const LanguageModel& model);

// Writes config.json and model.safetensors into the existing folder `dir`, as a model of
// `num_layers` layers, and apollo/parameters.safetensors where the model has such parameters.
void save_hf_model(const ModelWeights& weights, const std::filesystem::path& dir,
                   const ConfigTokens& tokens);
void save_hf_model(const LanguageModel& model, const std::filesystem::path& dir,
                   const ConfigTokens& tokens);

struct HfLoadOptions {
  bool needs_head = true;  // false: what the folder lacks of the language head is initialised
  uint64_t seed = 0;       // of that initialisation
};

// Loads a folder (or link to one) written by Apollo, `transformers` or anyone else: names with or
// without the architecture's prefix and those that wrappers of training put before it; of two tied
// tensors either. Other heads, and constants such as attention masks, are passed over, with a
// warning where nobody knows the name. Of a final model, parameters outside of HF's format that the
// folder lacks are initialised: a pass never reads them. The model has as many unique layers as the
// folder; its final depth and layer map are those that Apollo noted in config.json, else it is
// final. Throws CheckpointError where something is missing, of another shape or not supported
// (named).
std::unique_ptr<LanguageModel> load_hf_model(const std::filesystem::path& dir, at::Device device,
                                             const HfLoadOptions& options = {});

// What such a folder holds beside the language model, for folders that are made from it.
struct FolderRest {
  Json config;           // config.json as it stands
  NamedTensors tensors;  // other heads and the pooler, on the CPU
  // Prefixes of the parts of the language head that the folder lacks.
  std::vector<std::string_view> lacks = {};
  at::ScalarType dtype = at::kFloat;  // of its weights, if all have the same; else float32

  // A tensor by the name that it has in a model with head ("bert.pooler.dense.weight").
  std::optional<at::Tensor> find(const std::string& name) const;
};

// Throws CheckpointError as load_hf_model() does.
FolderRest read_folder_rest(const std::filesystem::path& dir);

// Writes a model that was made from the folder of `rest`, which `from` describes, with all that
// still fits it; a final model without apollo/parameters.safetensors.
void save_derived_model(const LanguageModel& model, const FolderRest& rest,
                        const DescribedModel& from, const std::filesystem::path& dir);

// The weights by the names and shapes of Hugging Face, as views, but for those of `without`:
// prefixes of names.
NamedTensors hf_tensors(const ModelWeights& weights,
                        const std::vector<std::string_view>& without = {});

}  // namespace apollo
