// Parts of flat buffers that ranks share out, and how much of them travels at a time.
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

// Returns what two ranges have in common; it has size 0 if that is nothing.
inline ElementRange common_part(ElementRange a, ElementRange b) {
  const int64_t begin = std::max(a.begin, b.begin);
  return {begin, std::max(begin, std::min(a.end, b.end))};
}

// Returns `count` ranges of equal length that cover a buffer of `size` elements, one after the
// other. The last ones may be shorter or empty. All boundaries except the buffer's end are
// multiples of `unit`.
inline std::vector<ElementRange> equal_ranges(int64_t size, int64_t count, int64_t unit = 1) {
  const int64_t units = (size + unit - 1) / unit;
  const int64_t length = (units + count - 1) / count * unit;
  std::vector<ElementRange> ranges;
  for (int64_t i = 0; i < count; ++i)
    ranges.push_back({std::min(size, i * length), std::min(size, (i + 1) * length)});
  return ranges;
}

// How many elements of a buffer all ranks together exchange at a time. An exchange needs twice as
// much memory in addition to the buffer, and messages of this size are long enough for the network.
inline constexpr int64_t kExchangeElements = int64_t{1} << 22;

}  // namespace apollo
