// The token ids of one batch, as every objective passes them to the model.
#pragma once

#include <cstdint>
#include <vector>

namespace apollo {

// A target that carries no loss; PyTorch's cross_entropy ignores the same value by default.
inline constexpr int64_t kIgnoredTarget = -100;

// All vectors are rows x T, row-major; T = inputs.size() / rows.
struct TokenBatch {
  int64_t rows = 0;
  std::vector<int64_t> inputs;
  std::vector<int64_t> targets;    // kIgnoredTarget if a position carries no loss
  std::vector<int64_t> segments;   // BERT's token types; empty: all 0
  std::vector<int64_t> documents;  // a position sees only those of its row with the same number,
                                   // which stand side by side (padding has a number of its own);
                                   // empty: a row is one document
};

}  // namespace apollo
