// Batches for next-token prediction. Sequence s holds tokens [s*T, s*T + T], the last of which is
// only a target, so that the sequences of an epoch predict every token but the first once.
#pragma once

#include <cstdint>

#include "data/sample_order.h"
#include "data/token_batch.h"
#include "data/token_dataset.h"

namespace apollo {

// floor((num_tokens - 1) / context).
int64_t num_causal_sequences(const TokenDataset& dataset, int64_t context);

class CausalBatches {
 public:
  // Throws DataError where the dataset is shorter than one sequence. The dataset must outlive this.
  CausalBatches(const TokenDataset& dataset, int64_t context, uint64_t seed);
  // Sequences at places [first, first + rows) of the training order, across epochs.
  void fill_train(int64_t first, int64_t rows, TokenBatch& batch) const;
  // Sequences [first, first + rows) in the order of the text, cut at the end of the data.
  void fill_sequential(int64_t first, int64_t rows, TokenBatch& batch) const;
  int64_t num_sequences() const { return order_.num_samples(); }

 private:
  const TokenDataset& dataset_;
  int64_t context_;
  SampleOrder order_;
};

}  // namespace apollo
