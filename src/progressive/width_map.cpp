#include "progressive/width_map.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "arch/architecture.h"
#include "base/error.h"
#include "progressive/layer_map.h"

namespace apollo {
namespace {

bool copies_equally(const WidthMap& map) {
  const std::vector<int64_t> counts =
      use_counts(map, map.empty() ? 0 : 1 + *std::max_element(map.begin(), map.end()));
  return std::adjacent_find(counts.begin(), counts.end(), std::not_equal_to<>()) == counts.end();
}

}  // namespace

WidthMap duplication_map(int64_t source, int64_t target) {
  if (source < 1 || target < source) {
    fail<UsageError>("growth in width from {} to {} neurons: expected 1 <= source <= target",
                     source, target);
  }
  WidthMap map(static_cast<size_t>(target));
  for (int64_t j = 0; j < target; ++j)
    map[static_cast<size_t>(j)] = j % source;
  return map;
}

bool WidthMaps::keeps_function() const {
  // Heads and inner neurons pass no norm, so dividing by the number of copies is enough for them.
  return copies_equally(residual);
}

std::string width_growth_fault(const ModelShape& source, const ModelShape& target) {
  const ArchitectureInfo& architecture = describe(source.architecture);
  const auto parameters = architecture.parameters({source}, 1);
  const bool grows = std::all_of(parameters.begin(), parameters.end(),
                                 [](const ParameterSpec& spec) { return !spec.axes.empty(); });
  const auto widths = [](const ModelShape& shape) {
    return std::array{shape.width,      shape.heads,         shape.kv_heads(),
                      shape.head_dim(), shape.inner_width(), static_cast<int64_t>(shape.tied)};
  };
  if (grows || widths(source) == widths(target)) return "";
  return fmt::format(
      "architecture '{}' grows in depth only: width, heads, kv_heads, head_dim, inner_width and "
      "tie_embeddings must stay",
      architecture.name);
}

WidthMaps width_maps(const ModelShape& source, const ModelShape& target) {
  if (const std::string fault = width_growth_fault(source, target); !fault.empty())
    throw UsageError(fault);
  const int64_t head_size = source.head_dim();
  if (source.width == target.width && source.heads == target.heads) {
    // The heads need not fill the width.
    const WidthMap heads = duplication_map(head_size * source.heads, head_size * source.heads);
    return {duplication_map(source.width, source.width), heads,
            duplication_map(source.inner_width(), target.inner_width())};
  }
  if (head_size * target.heads != target.width) {
    fail<UsageError>(
        "growth in width copies whole heads of {}: expected {} heads of width {}, got {}",
        head_size, target.width / head_size, target.width, target.heads);
  }
  // Heads lie one after the other, so copying heads in turn is copying their neurons in turn.
  return {duplication_map(source.width, target.width), duplication_map(source.width, target.width),
          duplication_map(source.inner_width(), target.inner_width())};
}

NormGap norm_gap(const WidthMap& map) {
  if (copies_equally(map)) return {};
  const std::vector<int64_t> counts =
      use_counts(map, 1 + *std::max_element(map.begin(), map.end()));
  const auto num_sources = static_cast<double>(counts.size());
  double squares = 0.0;
  for (const int64_t count : counts) {
    const double excess =
        static_cast<double>(count) / static_cast<double>(map.size()) - 1.0 / num_sources;
    squares += excess * excess;
  }
  const auto [fewest, most] = std::minmax_element(counts.begin(), counts.end());
  const auto relative = [&](int64_t count) {
    return num_sources * static_cast<double>(count) / static_cast<double>(map.size());
  };
  NormGap gap;
  gap.mean_shift = std::sqrt(num_sources * squares);
  gap.min_scale = std::sqrt(std::max(0.0, relative(*fewest) - gap.mean_shift * gap.mean_shift));
  gap.max_scale = std::sqrt(relative(*most));
  return gap;
}

}  // namespace apollo
