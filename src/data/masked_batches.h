// Batches for masked language modelling (Devlin et al. 2019). A sequence of context T is [CLS], T-2
// consecutive tokens of the stream, [SEP]; the stream itself has a [SEP] after each document.
//
// Exactly targets_per_sequence() positions of it are to be predicted, fewer only where fewer can
// be: [CLS], [SEP], [PAD] and [MASK] never are. Of these, 80 % are shown as [MASK], 10 % as a token
// drawn uniformly from all that are not special, 10 % as they are. With whole words the positions
// are drawn word by word; a word that no longer fits is passed over, as the authors' code does.
//
// Invariant: a row is a pure function of (seed, place in the training order), so masks are fresh
// in every epoch and depend neither on the batch size nor on what was drawn before.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "config/run_config.h"
#include "data/batches.h"
#include "data/sample_order.h"
#include "data/token_dataset.h"
#include "text/wordpiece.h"

namespace apollo {

class MaskedBatches final : public Batches {
 public:
  // Throws DataError where the dataset is shorter than one sequence. The dataset must outlive this.
  MaskedBatches(const RunConfig& config, const TokenDataset& dataset, const WordPiece& tokenizer);

  void fill_train(int64_t first, int64_t rows, TokenBatch& batch) const override;
  void fill_sequential(int64_t first, int64_t rows, TokenBatch& batch) const override;
  int64_t num_sequences() const override { return order_.num_samples(); }

 private:
  class Draws;
  // Places [begin, end) of a row that are masked together.
  struct Unit {
    int64_t begin = 0;
    int64_t end = 0;
    int64_t size() const { return end - begin; }
  };
  enum class Role : uint8_t { kStartsWord, kContinuesWord, kNeverMasked };

  void resize(TokenBatch& batch, int64_t rows) const;
  void fill_row(int64_t sequence, Draws draws, int64_t row, TokenBatch& batch) const;
  std::vector<Unit> units(std::span<const int64_t> tokens) const;
  void mask(Draws& draws, std::span<int64_t> inputs, std::span<int64_t> targets) const;
  int64_t shown_for(int64_t token, Draws& draws) const;
  void number_documents(std::span<const int64_t> tokens, std::span<int64_t> documents) const;
  Role role(int64_t token) const;

  const TokenDataset& dataset_;
  int64_t context_;
  int64_t num_targets_;
  bool whole_words_;
  bool separate_documents_;
  uint64_t seed_;
  SampleOrder order_;
  WordPiece::SpecialIds special_;
  std::vector<Role> roles_;           // by id
  std::vector<TokenId> random_pool_;  // what a tenth of the targets is replaced by
};

}  // namespace apollo
