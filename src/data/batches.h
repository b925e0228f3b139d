// The source of batches for the trainer and for evaluation, whatever the objective.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "arch/architecture.h"
#include "config/run_config.h"
#include "data/token_batch.h"
#include "data/token_dataset.h"
#include "text/tokenizer.h"

namespace apollo {

class Batches {
 public:
  virtual ~Batches() = default;
  // Fills in the sequences at places [first, first + rows) of the training order, across epochs. A
  // pure function of its arguments; thread-safe.
  virtual void fill_train(int64_t first, int64_t rows, TokenBatch& batch) const = 0;
  // Fills in the sequences with these numbers, each in [0, num_sequences()), counted in the order
  // of the text. They are the same for every seed.
  virtual void fill_sequences(std::span<const int64_t> numbers, TokenBatch& batch) const = 0;
  virtual int64_t num_sequences() const = 0;
};

// Returns the batches of the architecture's objective, causal or masked. `dataset` must outlive
// them; `tokenizer` is only read during the call. Throws DataError if the dataset is shorter than
// one sequence or the tokenizer (null: none) does not suit the objective.
std::unique_ptr<Batches> make_batches(const RunConfig& config, const TokenDataset& dataset,
                                      const Tokenizer* tokenizer);

// Throws DataError unless `tokenizer` (null: none) suits the objective of the config.
void check_objective_tokenizer(const RunConfig& config, const Tokenizer* tokenizer);

// Returns the tokenizer as the config's objective uses it, which its files must state too: a causal
// model reads no [CLS] and [SEP] around a text.
std::unique_ptr<Tokenizer> tokenizer_for_objective(const RunConfig& config,
                                                   std::unique_ptr<Tokenizer> tokenizer);

// Returns how many sequences of the config a dataset of `num_tokens` tokens gives; 0 if it is too
// short.
int64_t num_sequences(const RunConfig& config, int64_t num_tokens);

// Returns the tokens of the shortest dataset that gives a sequence. A causal model needs one more
// than the context, because the last token is only a target. A masked model needs two less, because
// [CLS] and [SEP] are added.
int64_t min_tokens(Objective objective, int64_t context);

// The same as num_sequences(), but throws DataError instead of returning 0.
int64_t checked_num_sequences(Objective objective, int64_t context, int64_t num_tokens);

}  // namespace apollo
