// A model as a Hugging Face folder: config.json and model.safetensors (or its shards), with HF's
// names and shapes, so that `transformers` loads what we write and we load what it writes.
// Parameters for which that format has no place are in apollo/parameters.safetensors.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "arch/hf_config.h"
#include "model/model.h"
#include "model/safetensors.h"

namespace apollo {

// What a folder stores of a model. The values may be a copy that is written while the model
// changes.
struct ModelWeights {
  ModelSpec spec;
  int64_t num_layers = 0;
  ParameterLayout layout;
  at::Tensor values;  // [layout.total_size()]
};

// Returns the weights of a model, sharing its values.
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

// Loads a folder (or a link to one) written by Apollo, `transformers` or others. Names may lack the
// architecture's prefix or have a prefix of training wrappers, and of two tied tensors either may
// be missing. Other heads, and constants such as attention masks, are skipped, with a warning if
// their names are unknown. In a final model, missing parameters outside of HF's format are
// initialised, because no pass reads them. The model has as many unique layers as the folder. Its
// final depth and layer map are those that Apollo noted in config.json; without a note the model is
// final. Throws CheckpointError that names what is missing, of another shape or not supported.
std::unique_ptr<LanguageModel> load_hf_model(const std::filesystem::path& dir, at::Device device,
                                             const HfLoadOptions& options = {});

// What such a folder holds besides the language model, for folders that are derived from it.
struct FolderRest {
  Json config;           // config.json as it stands
  NamedTensors tensors;  // other heads and the pooler, on the CPU
  // Prefixes of the parts of the language head that the folder lacks.
  std::vector<std::string_view> lacks = {};
  at::ScalarType dtype = at::kFloat;  // of its weights if all have the same, else float32

  // Finds a tensor by its name in a model with a head ("bert.pooler.dense.weight").
  std::optional<at::Tensor> find(const std::string& name) const;
};

// Reads these parts of a folder. Throws CheckpointError as load_hf_model() does.
FolderRest read_folder_rest(const std::filesystem::path& dir);

// Writes a model that was made from the folder of `rest`, which `from` describes, with everything
// of that folder that still fits. A final model gets no apollo/parameters.safetensors.
void save_derived_model(const LanguageModel& model, const FolderRest& rest,
                        const DescribedModel& from, const std::filesystem::path& dir);

// Returns views of the weights under the names and shapes of Hugging Face, except for names that
// begin with a prefix in `without`.
NamedTensors hf_tensors(const ModelWeights& weights,
                        const std::vector<std::string_view>& without = {});

}  // namespace apollo
