#include "infer/model_folder.h"

#include "base/error.h"
#include "model/hf_folder.h"

namespace apollo {

namespace fs = std::filesystem;

LoadedModel load_model_folder(const fs::path& path, at::Device device) {
  LoadedModel loaded;
  loaded.folder = find_model_folder(path);
  loaded.model = load_hf_model(loaded.folder, device);
  loaded.model->parameters().drop_gradients();
  if (!has_tokenizer(loaded.folder)) return loaded;
  loaded.tokenizer = load_tokenizer(loaded.folder.string());
  return loaded;
}

const Tokenizer& require_tokenizer(const LoadedModel& loaded) {
  if (loaded.tokenizer == nullptr) {
    fail<DataError>(
        "{}: the model has no tokenizer, so it cannot work on text; hint: put the "
        "tokenizer.json that made its training data beside it",
        loaded.folder.string());
  }
  return *loaded.tokenizer;
}

void require_known_tokens(std::span<const TokenId> ids, const Tokenizer& tokenizer,
                          const ModelSpec& spec, const std::string& folder) {
  const int64_t vocab_size = spec.shape.vocab_size;
  if (tokenizer.vocab_size() <= vocab_size) return;
  for (const TokenId id : ids) {
    if (id < vocab_size) continue;
    fail<DataError>(
        "{}: token '{}' has id {}, but the model's vocabulary only {} tokens (the tokenizer {})",
        folder, tokenizer.token_text(id), id, vocab_size, tokenizer.vocab_size());
  }
}

LayerMap pass_blocks(const LanguageModel& model, int64_t depth) {
  if (depth == 0) return model.blocks(model.spec().shape.layers);
  if (depth < model.num_layers()) {
    fail<UsageError>("depth {} is too small: the model has {} unique layers; expected {} or more",
                     depth, model.num_layers(), model.num_layers());
  }
  return model.blocks(depth);
}

}  // namespace apollo
