// Returns the sequences [first, first + rows) of a text, as an evaluation of the whole text reads
// them.
#pragma once

#include <numeric>
#include <vector>

#include "data/batches.h"

namespace apollo {

inline void fill_range(const Batches& batches, int64_t first, int64_t rows, TokenBatch& batch) {
  std::vector<int64_t> numbers(static_cast<size_t>(rows));
  std::iota(numbers.begin(), numbers.end(), first);
  batches.fill_sequences(numbers, batch);
}

}  // namespace apollo
