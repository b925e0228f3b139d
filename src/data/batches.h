// Where the trainer and evaluation get their batches from, whatever the objective.
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
  // Sequences at places [first, first + rows) of the training order, across epochs. A pure
  // function of its arguments; thread-safe.
  virtual void fill_train(int64_t first, int64_t rows, TokenBatch& batch) const = 0;
  // The sequences with these numbers, each in [0, num_sequences()), which count them in the order
  // of the text. The same for every seed.
  virtual void fill_sequences(std::span<const int64_t> numbers, TokenBatch& batch) const = 0;
  virtual int64_t num_sequences() const = 0;
};

// The batches of the architecture's objective, causal or masked. `dataset` must
// outlive them; `tokenizer` is only read during the call. Throws DataError where the dataset is
// shorter than one sequence or the tokenizer (null: none) does not suit the objective.
std::unique_ptr<Batches> make_batches(const RunConfig& config, const TokenDataset& dataset,
                                      const Tokenizer* tokenizer);

// Throws DataError unless the objective of the config can work with `tokenizer` (null: none).
void check_objective_tokenizer(const RunConfig& config, const Tokenizer* tokenizer);

// The tokenizer as the objective of the config uses it, which is how its files are to say it: a
// causal model reads no [CLS] and [SEP] around a text.
std::unique_ptr<Tokenizer> tokenizer_for_objective(const RunConfig& config,
                                                   std::unique_ptr<Tokenizer> tokenizer);

// How many sequences of the config a dataset of `num_tokens` tokens makes; 0 where it is too short.
int64_t num_sequences(const RunConfig& config, int64_t num_tokens);

// Tokens of the shortest dataset that makes a sequence: one more than the context (causal, where
// the last is only a target), or two less (masked, which adds [CLS] and [SEP]).
int64_t min_tokens(Objective objective, int64_t context);

// As num_sequences, but throws DataError in place of 0.
int64_t checked_num_sequences(Objective objective, int64_t context, int64_t num_tokens);

}  // namespace apollo
