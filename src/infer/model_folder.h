// A model with its tokenizer, opened for use from whatever folder the user names.
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
  std::unique_ptr<Tokenizer> tokenizer;  // null where the folder has none
};

// Opens a checkpoint, a Hugging Face folder or a run folder, for evaluation only: without
// gradients. Throws CheckpointError where the model is damaged or not supported, DataError where
// the tokenizer is damaged. It may have fewer tokens than the model's vocabulary, which is often
// padded, and more, as long as no text needs them.
LoadedModel load_model_folder(const std::filesystem::path& path, at::Device device);

// The tokenizer of a model that works on text; throws DataError where the folder had none.
const Tokenizer& require_tokenizer(const LoadedModel& loaded);

// Throws DataError naming the first of `ids` that is beyond the model's vocabulary.
void require_known_tokens(std::span<const TokenId> ids, const Tokenizer& tokenizer,
                          const ModelSpec& spec, const std::string& folder);

// The blocks of a pass of `depth`; 0: the depth of the final model. Throws UsageError where the
// depth is less than the model's unique layers.
LayerMap pass_blocks(const LanguageModel& model, int64_t depth);

}  // namespace apollo
