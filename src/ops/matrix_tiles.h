// Small matrix products whose result goes to the caller tile by tile while it is still in
// registers. vector_math.h says how this file is compiled.
//
// A tile of kTileRows x kTileVectors accumulators and one row of the right factor fill the vector
// registers, so that the multiply-add units set the pace and not the loads.
#pragma once

#include "ops/vector_math.h"

namespace apollo {
namespace {

constexpr int64_t kTileRows = 4;
constexpr int64_t kTileVectors = kLanes == 16 ? 4 : 2;

// Element (row, step) stands at data[row * row_stride + step * step_stride].
struct LeftFactor {
  const float* data;
  int64_t row_stride;
  int64_t step_stride;
};

// Row `step` is dense and begins at data[step * step_stride].
struct RightFactor {
  const float* data;
  int64_t step_stride;
};

// Which part of a tile's rows is needed, and which steps contribute to it.
struct TileRange {
  int64_t columns;  // the end of the needed columns
  int64_t first_step;
  int64_t end_step;
  int64_t first_column = 0;  // a multiple of kLanes
};

template <int kRows, int kVectors>
using Tile = Floats[kRows][kVectors];

template <int kRows, int kVectors>
inline void multiply(Tile<kRows, kVectors>& tile, const LeftFactor& left, const RightFactor& right,
                     int64_t first_step, int64_t end_step) {
  const float* a = left.data + first_step * left.step_stride;
  const float* b = right.data + first_step * right.step_stride;
  for (int64_t step = first_step; step < end_step; ++step) {
    Floats columns[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v)
      columns[v] = load(b + v * kLanes);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const Floats x = Floats{} + a[r * left.row_stride];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        tile[r][v] += columns[v] * x;
    }
    a += left.step_stride;
    b += right.step_stride;
  }
}

template <int kRows, int kVectors, class Finish>
inline void one_tile(LeftFactor left, RightFactor right, const TileRange& range, int64_t row,
                     int64_t column, const Finish& finish) {
  left.data += row * left.row_stride;
  right.data += column;
  Tile<kRows, kVectors> tile = {};
  multiply<kRows, kVectors>(tile, left, right, range.first_step, range.end_step);
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v)
      finish(row + r, column + v * kLanes, tile[r][v]);
  }
}

template <int kRows, class Finish>
inline void row_of_tiles(const LeftFactor& left, const RightFactor& right, const TileRange& range,
                         int64_t row, const Finish& finish) {
  int64_t column = range.first_column;
  for (; column + (kTileVectors - 1) * kLanes < range.columns; column += kTileVectors * kLanes)
    one_tile<kRows, kTileVectors>(left, right, range, row, column, finish);
  const int64_t vectors = (range.columns - column + kLanes - 1) / kLanes;
  if (vectors == 1) one_tile<kRows, 1>(left, right, range, row, column, finish);
  if constexpr (kTileVectors > 2) {
    if (vectors == 2) one_tile<kRows, 2>(left, right, range, row, column, finish);
    if (vectors == 3) one_tile<kRows, 3>(left, right, range, row, column, finish);
  }
}

// Calls finish(row, column, sums) for every vector of left * right; `sums` are the results of a row
// from `column` on, as a whole vector. range_of(first row, end row) says which part of a tile is
// needed. The right factor's rows must be readable up to the whole vector.
template <class RangeOf, class Finish>
inline void multiply_tiles(int64_t rows, const LeftFactor& left, const RightFactor& right,
                           const RangeOf& range_of, const Finish& finish) {
  int64_t row = 0;
  for (; row + kTileRows <= rows; row += kTileRows)
    row_of_tiles<kTileRows>(left, right, range_of(row, row + kTileRows), row, finish);
  for (; row < rows; ++row)
    row_of_tiles<1>(left, right, range_of(row, row + 1), row, finish);
}

}  // namespace
}  // namespace apollo
