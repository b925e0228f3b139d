// A model as a Hugging Face folder: config.json and model.safetensors (or its shards), with HF's
// names and shapes, so that `transformers` loads what we write and we load what it wrote.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "model/model.h"
#include "model/safetensors.h"
#include "text/tokenizer.h"

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
// `num_layers` layers. `end_of_text` becomes bos and eos of the config.
void save_hf_model(const ModelWeights& weights, const std::filesystem::path& dir,
                   std::optional<TokenId> end_of_text);
void save_hf_model(const LanguageModel& model, const std::filesystem::path& dir,
                   std::optional<TokenId> end_of_text);

struct HfLoadOptions {
  bool needs_head = true;  // false: a language head that the folder lacks is initialised
  uint64_t seed = 0;       // of that initialisation
};

// Loads a folder (or link to one) written by Apollo, `transformers` or anyone else: names with or
// without the architecture's prefix; other heads, and constants such as attention masks, are passed
// over. The model has as many unique layers as the folder; its final depth and layer map are those
// that Apollo noted in config.json, else it is final. Throws CheckpointError where something is
// missing, of another shape or not supported (named).
std::unique_ptr<LanguageModel> load_hf_model(const std::filesystem::path& dir, at::Device device,
                                             const HfLoadOptions& options = {});

// One tensor of such a folder by the name that it has in a model with head
// ("bert.pooler.dense.weight"), on the CPU; nothing where there is none.
std::optional<at::Tensor> find_hf_tensor(const std::filesystem::path& dir, const std::string& name);

// The weights by the names and shapes of Hugging Face, as views; the language head apart if so
// asked.
NamedTensors hf_tensors(const ModelWeights& weights, bool with_head);

}  // namespace apollo
