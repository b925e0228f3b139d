// A model and its tokenizer, opened for use from whatever folder the user names.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "model/model.h"
#include "progressive/source_model.h"
#include "text/tokenizer.h"

namespace apollo {

struct LoadedModel {
  std::filesystem::path folder;  // of the model itself
  std::unique_ptr<LanguageModel> model;
  std::unique_ptr<Tokenizer> tokenizer;  // null if the folder has none
};

// Opens a checkpoint, a Hugging Face folder or a run folder, only for evaluation: without
// gradients. Throws CheckpointError if the model is damaged or not supported, and DataError if the
// tokenizer is damaged. The tokenizer may have fewer tokens than the model's vocabulary, which is
// often padded, or more, as long as no text needs them.
LoadedModel load_model_folder(const std::filesystem::path& path, at::Device device);

// Returns the tokenizer of a model that works on text; throws DataError if the folder has none.
const Tokenizer& require_tokenizer(const LoadedModel& loaded);

// Throws DataError that names the first of `ids` beyond the model's vocabulary.
void require_known_tokens(std::span<const TokenId> ids, const Tokenizer& tokenizer,
                          const ModelSpec& spec, const std::string& folder);

// Returns the blocks of a pass of `depth`; 0: the depth of the final model. Throws UsageError if
// the depth is less than the model's unique layers.
LayerMap pass_blocks(const LanguageModel& model, int64_t depth);

}  // namespace apollo
