// Layer maps use integers, because floor(i / (T/S)) in doubles goes wrong, first at 14 -> 18.
#include "progressive/layer_map.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "base/error.h"

namespace apollo {

namespace {

LayerMap interpolated(int64_t source, int64_t target) {
  LayerMap map(target);
  for (int64_t i = 0; i < target; ++i)
    map[i] = i * source / target;
  return map;
}

LayerMap stacked(int64_t source, int64_t target) {
  LayerMap map(target);
  const int64_t whole = target / source * source;
  for (int64_t i = 0; i < whole; ++i)
    map[i] = i % source;
  for (int64_t i = whole; i < target; ++i)
    map[i] = source - target + i;
  return map;
}

// Returns all layers in order, with those of [begin, begin + num_new) twice in a row.
LayerMap with_part_twice(int64_t source, int64_t begin, int64_t num_new) {
  LayerMap map(source + num_new);
  for (int64_t i = 0; i < source + num_new; ++i)
    map[i] = i < begin + num_new ? i : i - num_new;
  return map;
}

LayerMap with_middle_block_twice(int64_t source, int64_t target) {
  const int64_t block = target - source;
  if (block == 0) return with_part_twice(source, 0, 0);
  if (source % block != 0) {
    fail<UsageError>(
        "cannot grow {} layers to {} by a copy of the middle block: its {} layers must divide {}",
        source, target, block, source);
  }
  const int64_t num_blocks = source / block;
  const int64_t middle = (num_blocks + 1) / 2 - 1;  // number ceil(n/2), counted from 0
  return with_part_twice(source, middle * block, block);
}

LayerMap with_middle_twice(int64_t source, int64_t target) {
  const int64_t num_new = target - source;
  if (num_new > source) {
    fail<UsageError>("cannot grow {} layers to {} by a copy of the middle ones: {} are too few",
                     source, target, source);
  }
  return with_part_twice(source, (source - num_new) / 2, num_new);
}

}  // namespace

LayerMap growth_map(LayerMapKind kind, int64_t source, int64_t target) {
  if (source < 0 || target < source || target < 1) {
    fail<UsageError>("cannot grow {} layers to {}: 0 <= source <= target must hold", source,
                     target);
  }
  if (source == 0) return LayerMap(static_cast<size_t>(target), kFresh);
  switch (kind) {
    case LayerMapKind::kInterpolate:
      return interpolated(source, target);
    case LayerMapKind::kStack:
      return stacked(source, target);
    case LayerMapKind::kMiddleBlock:
      return with_middle_block_twice(source, target);
    case LayerMapKind::kMiddle:
      return with_middle_twice(source, target);
  }
  return {};
}

std::vector<bool> added_layers(const LayerMap& map) {
  std::set<int64_t> seen;
  std::vector<bool> added;
  for (const int64_t source : map)
    added.push_back(source == kFresh || !seen.insert(source).second);
  return added;
}

LayerMap without_copies(const LayerMap& map) {
  const std::vector<bool> added = added_layers(map);
  LayerMap result = map;
  for (size_t i = 0; i < map.size(); ++i) {
    if (added[i]) result[i] = kFresh;
  }
  return result;
}

bool shares_as_it_grows(LayerMapKind kind) {
  return kind == LayerMapKind::kInterpolate || kind == LayerMapKind::kStack;
}

LayerMap sharing_map(LayerMapKind kind, int64_t unique, int64_t depth) {
  if (unique == 0 && depth == 0) return {};
  if (unique < 1 || depth < unique) {
    fail<UsageError>("cannot run {} unique layers at depth {}: 1 <= unique <= depth must hold",
                     unique, depth);
  }
  if (kind != LayerMapKind::kStack) return interpolated(unique, depth);
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
  for (const int64_t source : map) {
    if (source != kFresh) ++counts.at(source);
  }
  return counts;
}

std::string to_string(const LayerMap& map) {
  return fmt::format("{}", fmt::join(map, " "));
}

}  // namespace apollo
