// Parts of flat buffers, as ranks share them out, and how much of them travels at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace apollo {

// The elements [begin, end) of a buffer.
struct ElementRange {
  int64_t begin = 0;
  int64_t end = 0;

  int64_t size() const { return end - begin; }
  bool operator==(const ElementRange&) const = default;
};

// What two ranges have in common; of size 0 where that is nothing.
inline ElementRange common_part(ElementRange a, ElementRange b) {
  const int64_t begin = std::max(a.begin, b.begin);
  return {begin, std::max(begin, std::min(a.end, b.end))};
}

// `count` ranges of one length that follow on each other and cover a buffer of `size` elements; the
// last ones are shorter, or empty. All but the buffer's end is a multiple of `unit`.
inline std::vector<ElementRange> equal_ranges(int64_t size, int64_t count, int64_t unit = 1) {
  const int64_t units = (size + unit - 1) / unit;
  const int64_t length = (units + count - 1) / count * unit;
  std::vector<ElementRange> ranges;
  for (int64_t i = 0; i < count; ++i)
    ranges.push_back({std::min(size, i * length), std::min(size, (i + 1) * length)});
  return ranges;
}

// Elements of a buffer that ranks exchange at a time, all ranks' parts together: an exchange keeps
// twice as many beside the buffer, and a message is long enough for the network.
inline constexpr int64_t kExchangeElements = int64_t{1} << 22;

}  // namespace apollo
