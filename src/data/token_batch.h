// Token ids of one batch, as every objective hands them to the model.
#pragma once

#include <cstdint>
#include <vector>

namespace apollo {

// A target that carries no loss; the value that PyTorch's cross_entropy ignores by default.
inline constexpr int64_t kIgnoredTarget = -100;

// `inputs` and `targets` are rows x T, row-major.
struct TokenBatch {
  int64_t rows = 0;
  std::vector<int64_t> inputs;
  std::vector<int64_t> targets;
};

}  // namespace apollo
