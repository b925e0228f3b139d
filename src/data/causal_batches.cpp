#include "data/causal_batches.h"

namespace apollo {
namespace {

void fill_row(const TokenDataset& dataset, int64_t sequence, int64_t row, int64_t context,
              TokenBatch& batch) {
  const int64_t begin = sequence * context;
  const auto at = static_cast<size_t>(row * context);
  const auto length = static_cast<size_t>(context);
  dataset.copy(begin, std::span(batch.inputs).subspan(at, length));
  dataset.copy(begin + 1, std::span(batch.targets).subspan(at, length));
}

void resize(TokenBatch& batch, int64_t rows, int64_t context) {
  batch.rows = rows;
  batch.inputs.resize(static_cast<size_t>(rows * context));
  batch.targets.resize(static_cast<size_t>(rows * context));
  batch.segments.clear();
  batch.documents.clear();
}

}  // namespace

CausalBatches::CausalBatches(const TokenDataset& dataset, int64_t context, uint64_t seed)
    : dataset_(dataset),
      context_(context),
      order_(seed, checked_num_sequences(Objective::kCausal, context, dataset.size())) {}

void CausalBatches::fill_train(int64_t first, int64_t rows, TokenBatch& batch) const {
  resize(batch, rows, context_);
  for (int64_t row = 0; row < rows; row++) {
    fill_row(dataset_, order_.sample_at(first + row), row, context_, batch);
  }
}

void CausalBatches::fill_sequences(std::span<const int64_t> numbers, TokenBatch& batch) const {
  resize(batch, std::ssize(numbers), context_);
  for (int64_t row = 0; row < batch.rows; row++) {
    fill_row(dataset_, numbers[static_cast<size_t>(row)], row, context_, batch);
  }
}

}  // namespace apollo
