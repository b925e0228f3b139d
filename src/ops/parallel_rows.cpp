// The only file compiled with OpenMP's flag: without it LibTorch's header has one thread.
#include "ops/parallel_rows.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "ops/row_kernels.h"

namespace apollo {

void parallel_rows(int64_t num_rows, int64_t width,
                   const std::function<void(int64_t begin, int64_t end)>& body) {
  // What a thread does in some 10 us: starting one takes a few.
  constexpr int64_t kGrainElements = 32768;
  const int64_t num_blocks = (num_rows + kBlockRows - 1) / kBlockRows;
  const int64_t grain = std::max<int64_t>(1, kGrainElements / (kBlockRows * width));
  at::parallel_for(0, num_blocks, grain, [&](int64_t begin, int64_t end) {
    body(begin * kBlockRows, std::min(end * kBlockRows, num_rows));
  });
}

}  // namespace apollo
