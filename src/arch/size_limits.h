// The largest sizes that are taken for what somebody means. Beyond them products of sizes leave 64
// bits, and loops over layers do not end.
#pragma once

#include <cstdint>

namespace apollo {

struct SizeLimits {
  static constexpr int64_t kLayers = 10'000;
  static constexpr int64_t kWidth = int64_t{1} << 20;
  static constexpr int64_t kInner = int64_t{1} << 22;
  static constexpr int64_t kContext = int64_t{1} << 24;
  static constexpr int64_t kVocabSize = (int64_t{1} << 31) - 1;
  static constexpr int64_t kTokenTypes = 1'000;
};

}  // namespace apollo
