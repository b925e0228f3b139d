// This is the only file compiled with OpenMP's flag; without it LibTorch's header uses one thread.
#include "ops/parallel_rows.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace apollo {

void parallel_rows(int64_t num_rows, int64_t width, int64_t block,
                   const std::function<void(int64_t begin, int64_t end)>& body) {
  // A thread works through this in about 10 us; starting one takes a few us.
  constexpr int64_t kGrainElements = 32768;
  const int64_t num_blocks = (num_rows + block - 1) / block;
  const int64_t grain = std::max<int64_t>(1, kGrainElements / (block * width));
  at::parallel_for(0, num_blocks, grain, [&](int64_t begin, int64_t end) {
    body(begin * block, std::min(end * block, num_rows));
  });
}

}  // namespace apollo
