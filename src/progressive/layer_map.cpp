// Layer maps in integer arithmetic alone: floor(i / (T/S)) in doubles goes wrong, first at 14
// -> 18.
#include "progressive/layer_map.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"

namespace apollo {

namespace {

LayerMap interpolated(int64_t source, int64_t target) {
  LayerMap map(target);
  for (int64_t i = 0; i < target; ++i)
    map[i] = i * source / target;
  return map;
}

}  // namespace

LayerMap growth_map(LayerMapKind kind, int64_t source, int64_t target) {
  if (source < 1 || target < source) {
    fail<UsageError>("cannot grow {} layers to {}: 1 <= source <= target must hold", source,
                     target);
  }
  if (kind == LayerMapKind::kInterpolate) return interpolated(source, target);
  LayerMap map(target);
  const int64_t whole = target / source * source;
  for (int64_t i = 0; i < whole; ++i)
    map[i] = i % source;
  for (int64_t i = whole; i < target; ++i)
    map[i] = source - target + i;
  return map;
}

LayerMap sharing_map(LayerMapKind kind, int64_t unique, int64_t depth) {
  if (unique < 1 || depth < unique) {
    fail<UsageError>("cannot run {} unique layers at depth {}: 1 <= unique <= depth must hold",
                     unique, depth);
  }
  if (kind == LayerMapKind::kInterpolate) return interpolated(unique, depth);
  LayerMap map(depth);
  for (int64_t i = 0; i < depth; ++i)
    map[i] = i % unique;
  return map;
}

LayerMap compose(const LayerMap& outer, const LayerMap& inner) {
  LayerMap result;
  result.reserve(inner.size());
  for (const int64_t source : inner) {
    if (source < 0 || source >= static_cast<int64_t>(outer.size())) {
      fail<UsageError>("cannot compose layer maps: layer {} of a map of {}", source, outer.size());
    }
    result.push_back(outer[source]);
  }
  return result;
}

std::vector<int64_t> use_counts(const LayerMap& map, int64_t unique) {
  std::vector<int64_t> counts(unique, 0);
  for (const int64_t source : map)
    ++counts.at(source);
  return counts;
}

std::string to_string(const LayerMap& map) {
  return fmt::format("{}", fmt::join(map, " "));
}

}  // namespace apollo
