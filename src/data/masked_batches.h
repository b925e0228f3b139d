// Batches for masked language modelling (Devlin et al. 2019). A sequence of context T is [CLS], T-2
// consecutive tokens of the stream, [SEP]. The stream itself has a [SEP] after each document.
//
// Exactly targets_per_sequence() positions of it are to be predicted, or fewer if there are not
// enough: [CLS], [SEP], [PAD] and [MASK], which the tokenizer's roles name, never are. Of these
// positions 80 % are shown as [MASK], 10 % as a token drawn uniformly from all that are not
// special, and 10 % as they are. With whole words, positions are drawn word by word. A word that no
// longer fits is skipped, as in the authors' code.
//
// Invariant: a row is a pure function of (seed, place in the training order). So masks are new in
// every epoch and depend neither on the batch size nor on what was drawn before.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "config/run_config.h"
#include "data/batches.h"
#include "data/sample_order.h"
#include "data/token_dataset.h"
#include "text/tokenizer.h"

namespace apollo {

class MaskedBatches final : public Batches {
 public:
  // Throws DataError if the dataset is shorter than one sequence. The dataset must outlive the
  // batches. `tokenizer` must pass check_objective_tokenizer().
  MaskedBatches(const RunConfig& config, const TokenDataset& dataset, const Tokenizer& tokenizer);

  void fill_train(int64_t first, int64_t rows, TokenBatch& batch) const override;
  void fill_sequences(std::span<const int64_t> numbers, TokenBatch& batch) const override;
  int64_t num_sequences() const override { return order_.num_samples(); }

 private:
  class Draws;
  // Places [begin, end) of a row that are masked together.
  struct Unit {
    int64_t begin = 0;
    int64_t end = 0;
    int64_t size() const { return end - begin; }
  };
  struct SpecialIds {
    TokenId pad = 0;
    TokenId cls = 0;
    TokenId sep = 0;
    TokenId mask = 0;
    TokenId end = 0;  // of a document; `sep` if the tokenizer has no end of text
  };

  void resize(TokenBatch& batch, int64_t rows) const;
  void fill_row(int64_t sequence, Draws draws, int64_t row, TokenBatch& batch) const;
  std::vector<Unit> units(std::span<const int64_t> tokens) const;
  void mask(Draws& draws, std::span<int64_t> inputs, std::span<int64_t> targets) const;
  int64_t shown_for(int64_t token, Draws& draws) const;
  bool may_be_masked(int64_t token) const;
  bool continues_word(int64_t left, int64_t right) const;

  const TokenDataset& dataset_;
  int64_t context_;
  int64_t num_targets_;
  bool whole_words_;
  bool separate_documents_;
  uint64_t seed_;
  SampleOrder order_;
  const Tokenizer& tokenizer_;
  SpecialIds special_;
  std::vector<TokenId> random_pool_;  // what replaces a tenth of the targets
};

}  // namespace apollo
