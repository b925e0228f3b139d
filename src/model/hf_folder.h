// A model as a Hugging Face folder: config.json and model.safetensors (or its shards), with HF's
// names and shapes, so that `transformers` loads what we write and we load what it wrote.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "model/model.h"
#include "text/tokenizer.h"

namespace apollo {

// Writes config.json and model.safetensors into the existing folder `dir`, as a model of
// model.num_layers() layers. `end_of_text` becomes bos and eos of the config.
void save_hf_model(const LanguageModel& model, const std::filesystem::path& dir,
                   std::optional<TokenId> end_of_text);

// Loads a folder (or link to one) written by Apollo, `transformers` or anyone else: names with or
// without the architecture's prefix; buffers such as attention masks are passed over. The model
// has as many unique layers as the folder; its final depth and layer map are those that Apollo
// noted in config.json, else it is final. Throws CheckpointError where something is missing, of
// another shape or not supported (named).
std::unique_ptr<LanguageModel> load_hf_model(const std::filesystem::path& dir, at::Device device);

}  // namespace apollo
