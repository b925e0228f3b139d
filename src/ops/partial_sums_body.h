// Partial sums over blocks of rows (row_kernels.h), for the kernels of one instruction set;
// vector_math.h says how this file is compiled.
#pragma once

#include "ops/row_kernels.h"
#include "ops/vector_math.h"

namespace apollo {
namespace {

template <class Lanes>
inline void add_to(float* total, const Floats& x, const Lanes& lanes) {
  lanes.store(total, lanes.load(total) + x);
}

// Returns the partial sums of the block of `row`, or null.
inline float* block_of(float* partial_CW, int64_t row, int64_t width) {
  return partial_CW == nullptr ? nullptr : partial_CW + row / kBlockRows * width;
}

// Zeroes the partial sums of the block of `row`.
inline void clear_block(float* partial_CW, int64_t row, int64_t width) {
  float* block = block_of(partial_CW, row, width);
  for (int64_t i = 0; block != nullptr && i < width; ++i)
    block[i] = 0.0F;
}

}  // namespace
}  // namespace apollo
