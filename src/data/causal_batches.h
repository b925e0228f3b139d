// Batches for next-token prediction. Sequence s holds tokens [s*T, s*T + T]. Its last token is only
// a target, so the sequences of an epoch predict every token except the first exactly once.
#pragma once

#include <cstdint>
#include <optional>

#include "data/batches.h"
#include "data/sample_order.h"
#include "data/token_dataset.h"

namespace apollo {

class CausalBatches final : public Batches {
 public:
  // `end`: the token that ends a document; later positions then see nothing of that document.
  // nullopt: a position sees everything before it in its sequence. Throws DataError if the dataset
  // is shorter than one sequence. The dataset must outlive the batches.
  CausalBatches(const TokenDataset& dataset, int64_t context, uint64_t seed,
                std::optional<int64_t> end = std::nullopt);

  void fill_train(int64_t first, int64_t rows, TokenBatch& batch) const override;
  void fill_sequences(std::span<const int64_t> numbers, TokenBatch& batch) const override;
  int64_t num_sequences() const override { return order_.num_samples(); }

 private:
  void resize(TokenBatch& batch, int64_t rows) const;
  void fill_row(int64_t sequence, int64_t row, TokenBatch& batch) const;

  const TokenDataset& dataset_;
  int64_t context_;
  SampleOrder order_;
  std::optional<int64_t> end_;
};

}  // namespace apollo
