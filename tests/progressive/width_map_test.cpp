// Maps against their definition, and the bound on norms against norms of random activations.
#include "progressive/width_map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

TEST(WidthMap, CopiesNeuronsInTurn) {
  EXPECT_EQ(duplication_map(3, 3), (WidthMap{0, 1, 2}));
  EXPECT_EQ(duplication_map(3, 7), (WidthMap{0, 1, 2, 0, 1, 2, 0}));
  EXPECT_EQ(duplication_map(1, 2), (WidthMap{0, 0}));
}

TEST(WidthMap, RefusesToShrink) {
  EXPECT_EQ(thrown_text<UsageError>([] { duplication_map(4, 3); }),
            "growth in width from 4 to 3 neurons: expected 1 <= source <= target");
}

TEST(WidthMap, CopiesWholeHeads) {
  const ModelShape small{.layers = 1, .width = 6, .heads = 2};
  const ModelShape large{.layers = 1, .width = 9, .heads = 3};
  const WidthMaps maps = width_maps(small, large);
  EXPECT_EQ(maps.heads, (WidthMap{0, 1, 2, 3, 4, 5, 0, 1, 2}));
  EXPECT_EQ(maps.residual.size(), 9U);
  EXPECT_EQ(maps.inner.size(), 36U);
  EXPECT_FALSE(maps.keeps_function());
  EXPECT_TRUE(width_maps(small, {.layers = 1, .width = 12, .heads = 4}).keeps_function());
  // An inner width that is not a multiple passes no norm.
  EXPECT_TRUE(
      width_maps(small, {.layers = 1, .width = 12, .heads = 4, .inner = 31}).keeps_function());
  EXPECT_EQ(
      thrown_text<UsageError>([&] { width_maps(small, {.layers = 1, .width = 12, .heads = 3}); }),
      "growth in width copies whole heads of 3: expected 4 heads of width 12, got 3");
}

struct Statistics {
  double mean = 0.0;
  double deviation = 0.0;
};

Statistics statistics(const std::vector<double>& x) {
  const auto size = static_cast<double>(x.size());
  Statistics s;
  s.mean = std::accumulate(x.begin(), x.end(), 0.0) / size;
  double squares = 0.0;
  for (const double value : x)
    squares += (value - s.mean) * (value - s.mean);
  s.deviation = std::sqrt(squares / size);
  return s;
}

TEST(NormGap, IsNoneWhereAllAreCopiedEquallyOften) {
  for (const int64_t target : {5, 10, 15}) {
    const NormGap gap = norm_gap(duplication_map(5, target));
    EXPECT_EQ(gap.mean_shift, 0.0);
    EXPECT_EQ(gap.min_scale, 1.0);
    EXPECT_EQ(gap.max_scale, 1.0);
  }
}

TEST(NormGap, BoundsTheStatisticsOfAnyActivations) {
  for (const auto& [source, target] :
       std::vector<std::pair<int64_t, int64_t>>{{2, 3}, {4, 6}, {6, 7}, {8, 21}, {64, 96}}) {
    const WidthMap map = duplication_map(source, target);
    const NormGap gap = norm_gap(map);
    double largest_shift = 0.0;
    for (uint64_t trial = 0; trial < 2000; ++trial) {
      std::vector<double> x, copies;
      for (int64_t i = 0; i < source; ++i) {
        const double u = random_uniform(trial, RngStream::kInit, static_cast<uint64_t>(i));
        // A few large ones among many small ones test the bound harder than a uniform distribution.
        x.push_back(trial % 2 == 0 ? u : std::pow(u, 20.0));
      }
      for (const int64_t i : map)
        copies.push_back(x[static_cast<size_t>(i)]);
      const Statistics before = statistics(x), after = statistics(copies);
      const double shift = std::abs(after.mean - before.mean) / before.deviation;
      const double scale = after.deviation / before.deviation;
      EXPECT_LE(shift, gap.mean_shift + 1e-12);
      EXPECT_GE(scale, gap.min_scale - 1e-12);
      EXPECT_LE(scale, gap.max_scale + 1e-12);
      largest_shift = std::max(largest_shift, shift);
    }
    // The bound is tight: activations come close to it.
    EXPECT_GT(largest_shift, 0.2 * gap.mean_shift) << source << " -> " << target;
  }
}

TEST(NormGap, IsTightForActivationsAlongTheExcess) {
  const NormGap gap = norm_gap(duplication_map(2, 3));
  // Shares 2/3 and 1/3 of x = (1, -1): mean 1/3, deviation sqrt(8)/3.
  EXPECT_NEAR(gap.mean_shift, 1.0 / 3.0, 1e-15);
  EXPECT_LE(gap.min_scale, std::sqrt(8.0) / 3.0);
  EXPECT_NEAR(gap.max_scale, std::sqrt(4.0 / 3.0), 1e-15);
}

}  // namespace
}  // namespace apollo
