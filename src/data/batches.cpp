#include "data/batches.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "data/causal_batches.h"
#include "data/masked_batches.h"
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
  if (objective_of(config.model.architecture) != Objective::kMasked) return;
  if (dynamic_cast<const WordPiece*>(tokenizer) != nullptr) return;
  fail<DataError>(
      "data.tokenizer: architecture '{}' needs a WordPiece tokenizer, one with [MASK]; found {} "
      "(hint: 'train:wordpiece:8192', or a folder with BERT's vocab.txt)",
      enum_name(config.model.architecture), tokenizer == nullptr ? "none" : "a byte-level one");
}

std::unique_ptr<Tokenizer> tokenizer_for_objective(const RunConfig& config,
                                                   std::unique_ptr<Tokenizer> tokenizer) {
  const auto* wordpiece = dynamic_cast<const WordPiece*>(tokenizer.get());
  if (wordpiece == nullptr || objective_of(config.model.architecture) == Objective::kMasked)
    return tokenizer;
  WordPieceVocabulary vocabulary = wordpiece->vocabulary();
  vocabulary.has_template = false;
  return std::make_unique<WordPiece>(std::move(vocabulary));
}

std::unique_ptr<Batches> make_batches(const RunConfig& config, const TokenDataset& dataset,
                                      const Tokenizer* tokenizer) {
  check_objective_tokenizer(config, tokenizer);
  if (const auto* wordpiece = dynamic_cast<const WordPiece*>(tokenizer);
      objective_of(config.model.architecture) == Objective::kMasked) {
    return std::make_unique<MaskedBatches>(config, dataset, *wordpiece);
  }
  return std::make_unique<CausalBatches>(dataset, config.model.context, config.run.seed);
}

}  // namespace apollo
