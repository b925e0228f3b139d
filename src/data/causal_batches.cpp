#include "data/causal_batches.h"

#include "data/document_numbers.h"

namespace apollo {

CausalBatches::CausalBatches(const TokenDataset& dataset, int64_t context, uint64_t seed,
                             std::optional<int64_t> end)
    : dataset_(dataset),
      context_(context),
      order_(seed, checked_num_sequences(Objective::kCausal, context, dataset.size())),
      end_(end) {}

void CausalBatches::fill_train(int64_t first, int64_t rows, TokenBatch& batch) const {
  resize(batch, rows);
  for (int64_t row = 0; row < rows; row++) {
    fill_row(order_.sample_at(first + row), row, batch);
  }
}

void CausalBatches::fill_sequences(std::span<const int64_t> numbers, TokenBatch& batch) const {
  resize(batch, std::ssize(numbers));
  for (int64_t row = 0; row < batch.rows; row++) {
    fill_row(numbers[static_cast<size_t>(row)], row, batch);
  }
}

void CausalBatches::resize(TokenBatch& batch, int64_t rows) const {
  const auto size = static_cast<size_t>(rows * context_);
  batch.rows = rows;
  batch.inputs.resize(size);
  batch.targets.resize(size);
  batch.segments.clear();
  batch.documents.resize(end_ ? size : 0);
}

void CausalBatches::fill_row(int64_t sequence, int64_t row, TokenBatch& batch) const {
  const int64_t begin = sequence * context_;
  const auto at = static_cast<size_t>(row * context_);
  const auto length = static_cast<size_t>(context_);
  const auto inputs = std::span(batch.inputs).subspan(at, length);
  dataset_.copy(begin, inputs);
  dataset_.copy(begin + 1, std::span(batch.targets).subspan(at, length));
  if (end_) number_documents(inputs, *end_, std::span(batch.documents).subspan(at, length));
}

}  // namespace apollo
