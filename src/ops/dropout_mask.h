// The factors by which dropout multiplies elements, as a function of a draw and of the element's
// place. vector_math.h says how this file is compiled.
#pragma once

#include "ops/dropout_draw.h"
#include "ops/vector_math.h"

namespace apollo {
namespace {

class DropoutMask {
 public:
  explicit DropoutMask(const DropoutDraw& draw)
      : key_(draw.key),
        threshold_(static_cast<uint32_t>(draw.probability * 4294967296.0)),
        factor_(static_cast<float>(1.0 / (1.0 - draw.probability))) {}

  bool active() const { return threshold_ != 0; }

  // Returns 0 or 1 / (1 - probability) for the elements of a row from `column` on. The bits come
  // from Wellons' 32-bit hash ("lowbias32"), into which the row's own key enters twice.
  Floats factors(int64_t row, int64_t column) const {
    const uint64_t row_key = mixed(key_ + static_cast<uint64_t>(row) * 0x9e3779b97f4a7c15U);
    Bits x = lane_numbers() + (static_cast<uint32_t>(column) + static_cast<uint32_t>(row_key));
    x ^= x >> 16;
    x *= 0x7feb352dU;
    x ^= (x >> 15) ^ static_cast<uint32_t>(row_key >> 32);
    x *= 0x846ca68bU;
    x ^= x >> 16;
    return x < threshold_ ? Floats{} : Floats{} + factor_;
  }

 private:
  // The finaliser of SplitMix64 (Steele et al. 2014).
  static uint64_t mixed(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
  }

  uint64_t key_;
  uint32_t threshold_;
  float factor_;
};

}  // namespace
}  // namespace apollo
