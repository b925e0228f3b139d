#include "data/batches.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "data/causal_batches.h"
#include "data/masked_batches.h"
#include "text/byte_level_bpe.h"
#include "text/wordpiece.h"

namespace apollo {
namespace {

int64_t num_sequences(Objective objective, int64_t context, int64_t num_tokens) {
  if (num_tokens < min_tokens(objective, context)) return 0;
  return objective == Objective::kCausal ? (num_tokens - 1) / context : num_tokens / (context - 2);
}

}  // namespace

int64_t min_tokens(Objective objective, int64_t context) {
  return objective == Objective::kCausal ? context + 1 : std::max<int64_t>(1, context - 2);
}

int64_t num_sequences(const RunConfig& config, int64_t num_tokens) {
  return num_sequences(objective_of(config.model.architecture), config.model.context, num_tokens);
}

int64_t checked_num_sequences(Objective objective, int64_t context, int64_t num_tokens) {
  const int64_t count = num_sequences(objective, context, num_tokens);
  if (count >= 1) return count;
  fail<DataError>(
      "dataset holds {} tokens, less than one sequence: a context of {} needs {} (hint: give "
      "more text, or a smaller model.context)",
      num_tokens, context, min_tokens(objective, context));
}

void check_objective_tokenizer(const RunConfig& config, const Tokenizer* tokenizer) {
  const bool finds_ends = tokenizer != nullptr && tokenizer->end_of_text();
  if (config.data.separate_documents && !finds_ends) {
    fail<DataError>(
        "data.separate_documents needs a tokenizer with a token that ends documents; found {} "
        "(hint: name one in data.tokenizer, for example 'train:bpe:8192')",
        tokenizer == nullptr ? "none" : "one without");
  }
  if (objective_of(config.model.architecture) != Objective::kMasked) return;
  const std::string missing = tokenizer == nullptr ? "" : missing_mask_roles(tokenizer->roles());
  if (tokenizer != nullptr && missing.empty()) return;
  fail<DataError>(
      "data.tokenizer: architecture '{}' needs a tokenizer with [CLS], [SEP], [PAD] and [MASK]; "
      "found {} (hint: 'train:wordpiece:8192', 'train:bpe:8192', or the folder of a BERT)",
      enum_name(config.model.architecture),
      tokenizer == nullptr ? "none" : fmt::format("one without {}", missing));
}

std::unique_ptr<Tokenizer> tokenizer_for_objective(const RunConfig& config,
                                                   std::unique_ptr<Tokenizer> tokenizer) {
  const bool is_masked = objective_of(config.model.architecture) == Objective::kMasked;
  if (const auto* wordpiece = dynamic_cast<const WordPiece*>(tokenizer.get())) {
    if (is_masked) return tokenizer;
    WordPieceVocabulary vocabulary = wordpiece->vocabulary();
    vocabulary.has_template = false;
    return std::make_unique<WordPiece>(std::move(vocabulary));
  }
  if (const auto* bpe = dynamic_cast<const ByteLevelBpe*>(tokenizer.get())) {
    BpeVocabulary vocabulary = bpe->vocabulary();
    const TokenRoles& roles = vocabulary.roles;
    TokensAround around = vocabulary.around;
    if (!is_masked && around.after) around = {};
    if (is_masked && roles.cls && roles.sep) around = {{*roles.cls}, *roles.sep};
    if (around == vocabulary.around) return tokenizer;
    vocabulary.around = around;
    return std::make_unique<ByteLevelBpe>(std::move(vocabulary));
  }
  return tokenizer;
}

std::unique_ptr<Batches> make_batches(const RunConfig& config, const TokenDataset& dataset,
                                      const Tokenizer* tokenizer) {
  check_objective_tokenizer(config, tokenizer);
  if (objective_of(config.model.architecture) == Objective::kMasked) {
    return std::make_unique<MaskedBatches>(config, dataset, *tokenizer);
  }
  std::optional<int64_t> end;
  if (config.data.separate_documents) end = *tokenizer->end_of_text();
  return std::make_unique<CausalBatches>(dataset, config.model.context, config.run.seed, end);
}

}  // namespace apollo
