// The loop over the rows of a matrix, shared among LibTorch's threads.
#pragma once

#include <cstdint>
#include <functional>

namespace apollo {

// Calls body(begin, end) for ranges that together cover rows [0, num_rows). Each range begins at a
// multiple of `block` (kBlockRows of row_kernels.h if there are partial sums, else 1). Small
// matrices run in the calling thread. `body` must not use tensors: other threads lack the caller's
// thread-local state.
void parallel_rows(int64_t num_rows, int64_t width, int64_t block,
                   const std::function<void(int64_t begin, int64_t end)>& body);

}  // namespace apollo
