#include "progressive/depth_sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "base/error.h"
#include "base/rng.h"

namespace apollo {
namespace {

constexpr DepthSamplerKind kKinds[] = {DepthSamplerKind::kLvps, DepthSamplerKind::kUniform,
                                       DepthSamplerKind::kSigmoid, DepthSamplerKind::kDeepest,
                                       DepthSamplerKind::kShallowest};

void expect_table(int64_t unique, const std::vector<double>& table) {
  const DepthDistribution lvps(DepthSamplerKind::kLvps, unique, 12);
  for (size_t i = 0; i < table.size(); ++i) {
    EXPECT_NEAR(lvps.probability(unique + static_cast<int64_t>(i)), table[i], 5.1e-5) << i;
  }
}

TEST(DepthSampler, LvpsOfTwelveLayers) {
  EXPECT_NEAR(DepthDistribution(DepthSamplerKind::kLvps, 1, 12).mean(), 1.7668, 5e-5);
  EXPECT_NEAR(DepthDistribution(DepthSamplerKind::kLvps, 3, 12).mean(), 4.2256, 5e-5);
  EXPECT_NEAR(DepthDistribution(DepthSamplerKind::kLvps, 6, 12).mean(), 7.1354, 5e-5);
  EXPECT_EQ(DepthDistribution(DepthSamplerKind::kLvps, 12, 12).mean(), 12.0);
  expect_table(
      1, {.7356, .1051, .0525, .0315, .0210, .0150, .0113, .0088, .0070, .0057, .0048, .0017});
  expect_table(3, {.6368, .1042, .0695, .0496, .0372, .0289, .0232, .0189, .0158, .0158});
}

// Returns y of the header for x, clipped, times N: the formula itself, which checks the class.
double formula(DepthSamplerKind kind, double x, double unique, double layers) {
  const double ratio = layers / unique;
  const double b = ratio + 0.4, e = 0.6, x0 = 1e-6;
  const double n = (b * x0 - e) / (e - b);
  const double m = e * (n + 1);
  const double y =
      kind == DepthSamplerKind::kLvps ? m / (x + n) : (b - e) / (1 + std::exp(20 * (x - .5))) + e;
  return std::clamp(y, 1.0, ratio) * unique;
}

TEST(DepthSampler, DrawsFollowTheFormula) {
  for (const DepthSamplerKind kind : {DepthSamplerKind::kLvps, DepthSamplerKind::kSigmoid}) {
    for (int64_t layers = 1; layers <= 48; ++layers) {
      for (int64_t unique = 1; unique <= layers; ++unique) {
        const DepthDistribution depths(kind, unique, layers);
        for (int64_t i = 0; i < 997; ++i) {
          const double uniform = (static_cast<double>(i) + 0.5) / 997.0;
          const double depth = formula(kind, 1e-6 + uniform * (1 - 1e-6), unique, layers);
          // Close to a whole number, the floor of the formula is rounding noise; 49/49*49 is 48.
          if (std::abs(depth - std::round(depth)) < 1e-9) {
            ASSERT_NEAR(depths.depth_at(uniform), depth, 1 + 1e-9);
          } else {
            ASSERT_EQ(depths.depth_at(uniform), static_cast<int64_t>(depth))
                << unique << " of " << layers << " at " << uniform;
          }
        }
      }
    }
  }
}

TEST(DepthSampler, FullDepthIsReachedForEveryRatio) {
  // floor(L/N * N) in doubles is L - 1 for some of these.
  for (int64_t layers = 1; layers <= 128; ++layers) {
    for (int64_t unique = 1; unique <= layers; ++unique) {
      EXPECT_EQ(DepthDistribution(DepthSamplerKind::kLvps, unique, layers).depth_at(0.0), layers);
      EXPECT_EQ(DepthDistribution(DepthSamplerKind::kSigmoid, unique, layers).depth_at(0.0),
                layers);
    }
  }
}

TEST(DepthSampler, ClosedFormsOfTheAblations) {
  const DepthDistribution uniform(DepthSamplerKind::kUniform, 3, 12);
  for (int64_t depth = 3; depth <= 12; ++depth)
    EXPECT_NEAR(uniform.probability(depth), .1, 1e-12);
  EXPECT_DOUBLE_EQ(uniform.mean(), 7.5);
  const DepthDistribution deepest(DepthSamplerKind::kDeepest, 3, 12);
  EXPECT_EQ(deepest.probability(12), 1.0);
  EXPECT_EQ(deepest.mean(), 12.0);
  const DepthDistribution shallowest(DepthSamplerKind::kShallowest, 3, 12);
  EXPECT_EQ(shallowest.probability(3), 1.0);
  EXPECT_EQ(shallowest.mean(), 3.0);
  // P(D >= 2) of 1 -> 2: x <= .5 + ln((2.4 - 2)/(2 - .6))/20.
  const DepthDistribution sigmoid(DepthSamplerKind::kSigmoid, 1, 2);
  EXPECT_NEAR(sigmoid.probability(2), .5 + std::log(.4 / 1.4) / 20, 1e-6);
}

TEST(DepthSampler, ProbabilitiesSumToOne) {
  for (const DepthSamplerKind kind : kKinds) {
    for (int64_t layers = 1; layers <= 24; ++layers) {
      for (int64_t unique = 1; unique <= layers; ++unique) {
        const DepthDistribution depths(kind, unique, layers);
        double sum = 0.0, mean = 0.0;
        for (int64_t depth = 0; depth <= layers + 2; ++depth) {
          const double p = depths.probability(depth);
          ASSERT_GE(p, 0.0);
          ASSERT_TRUE(p == 0.0 || (unique <= depth && depth <= layers));
          sum += p;
          mean += p * static_cast<double>(depth);
        }
        ASSERT_NEAR(sum, 1.0, 1e-12);
        ASSERT_NEAR(mean, depths.mean(), 1e-10);
      }
    }
  }
}

// Returns the upper 1e-6 quantile of chi-square (Wilson and Hilferty). The seed is fixed, so a test
// that passes once always passes.
double chi_square_limit(double degrees) {
  const double z = 4.75;
  const double a = 2.0 / (9.0 * degrees);
  return degrees * std::pow(1.0 - a + z * std::sqrt(a), 3);
}

TEST(DepthSampler, DrawsMatchTheLaw) {
  constexpr int64_t kDraws = 40000;
  for (const DepthSamplerKind kind : kKinds) {
    for (const auto& [unique, layers] : {std::pair<int64_t, int64_t>{1, 12},
                                         {3, 12},
                                         {6, 12},
                                         {12, 12},
                                         {2, 5},
                                         {5, 24},
                                         {1, 2}}) {
      const DepthDistribution depths(kind, unique, layers);
      std::vector<int64_t> counts(layers + 1, 0);
      for (int64_t i = 0; i < kDraws; ++i) {
        const int64_t depth = draw_depth(depths, /*seed=*/7, i / 4, i % 4);
        ASSERT_GE(depth, unique);
        ASSERT_LE(depth, layers);
        ++counts[depth];
      }
      double chi_square = 0.0;
      int64_t cells = 0;
      for (int64_t depth = unique; depth <= layers; ++depth) {
        const double expected = depths.probability(depth) * kDraws;
        if (expected == 0.0) {
          ASSERT_EQ(counts[depth], 0);
          continue;
        }
        chi_square += (counts[depth] - expected) * (counts[depth] - expected) / expected;
        ++cells;
      }
      if (cells == 1) continue;
      EXPECT_LT(chi_square, chi_square_limit(cells - 1)) << unique << " of " << layers;
    }
  }
}

TEST(DepthSampler, DrawDependsOnSeedStepAndMicroStepAlone) {
  const DepthDistribution depths(DepthSamplerKind::kUniform, 1, 48);
  for (const int64_t step : {0, 1, 1000000}) {
    for (const int64_t micro : {0, 3}) {
      const double uniform = random_uniform(11, RngStream::kDepth, step, micro);
      EXPECT_EQ(draw_depth(depths, 11, step, micro), depths.depth_at(uniform));
    }
  }
  int64_t changed_by_seed = 0, changed_by_step = 0, changed_by_micro = 0;
  for (int64_t step = 0; step < 100; ++step) {
    const int64_t depth = draw_depth(depths, 11, step, 0);
    changed_by_seed += depth != draw_depth(depths, 12, step, 0);
    changed_by_step += depth != draw_depth(depths, 11, step + 1, 0);
    changed_by_micro += depth != draw_depth(depths, 11, step, 1);
  }
  EXPECT_GT(changed_by_seed, 80);
  EXPECT_GT(changed_by_step, 80);
  EXPECT_GT(changed_by_micro, 80);
}

TEST(DepthSampler, RefusesMoreUniqueLayersThanLayers) {
  try {
    DepthDistribution(DepthSamplerKind::kLvps, 13, 12);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(),
                 "cannot sample depths of 13 unique of 12 layers: 0 <= unique <= layers must hold");
  }
}

TEST(DepthSampler, WithoutLayersEveryDepthIsNone) {
  for (const DepthSamplerKind kind : {DepthSamplerKind::kLvps, DepthSamplerKind::kDeepest}) {
    const DepthDistribution depths(kind, 0, 12);
    EXPECT_EQ(depths.probability(0), 1.0);
    EXPECT_EQ(depths.mean(), 0.0);
    EXPECT_EQ(draw_depth(depths, 1, 2, 3), 0);
  }
}

TEST(Stratified, EveryWindowHasOneDrawInEachStratum) {
  for (const int64_t window : {1, 2, 7, 12, 16}) {
    std::set<std::vector<int64_t>> orders;
    for (int64_t start = 0; start < 50 * window; start += window) {
      std::vector<int64_t> order;
      for (int64_t i = 0; i < window; ++i) {
        const double uniform = stratified_uniform(5, start + i, window);
        ASSERT_GE(uniform, 0.0);
        ASSERT_LT(uniform, 1.0);
        order.push_back(static_cast<int64_t>(uniform * static_cast<double>(window)));
      }
      orders.insert(order);
      EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), static_cast<size_t>(window));
    }
    EXPECT_GT(orders.size(), static_cast<size_t>(std::min<int64_t>(window - 1, 6)));
  }
}

TEST(Stratified, FollowsTheSameLawWithLessVariance) {
  constexpr int64_t kWindow = 16;
  constexpr int64_t kWindows = 4000;
  const DepthDistribution depths(DepthSamplerKind::kLvps, 3, 12);
  std::vector<double> shares(13, 0.0);
  double plain_variance = 0.0, variance = 0.0;
  const auto squared_error = [&](double sum) {
    const double error = sum / kWindow - depths.mean();
    return error * error / kWindows;
  };
  for (int64_t w = 0; w < kWindows; ++w) {
    double sum = 0.0, plain_sum = 0.0;
    for (int64_t i = w * kWindow; i < (w + 1) * kWindow; ++i) {
      const int64_t depth = depths.depth_at(stratified_uniform(9, i, kWindow));
      shares[static_cast<size_t>(depth)] += 1.0 / (kWindow * kWindows);
      sum += static_cast<double>(depth);
      plain_sum += static_cast<double>(draw_depth(depths, 9, i, 0));
    }
    variance += squared_error(sum);
    plain_variance += squared_error(plain_sum);
  }
  for (int64_t depth = 3; depth <= 12; ++depth)
    EXPECT_NEAR(shares[static_cast<size_t>(depth)], depths.probability(depth), 0.003) << depth;
  EXPECT_LT(variance, plain_variance / 10);
}

TEST(Stratified, EachPlaceOfAWindowFollowsTheUniformLaw) {
  double sums[3] = {};
  for (int64_t w = 0; w < 6000; ++w) {
    for (int64_t i = 0; i < 3; ++i)
      sums[i] += stratified_uniform(4, 3 * w + i, 3) / 6000;
  }
  for (const double mean : sums)
    EXPECT_NEAR(mean, 0.5, 0.015);
}

TEST(Subnetwork, KeepsTheEndsAndDrawsTheRestEvenly) {
  constexpr int64_t kDraws = 20000;
  std::vector<double> shares(12, 0.0);
  for (int64_t step = 0; step < kDraws; ++step) {
    const LayerMap layers = random_subnetwork(12, 6, 3, step, 0);
    ASSERT_EQ(layers.size(), 6u);
    ASSERT_EQ(layers.front(), 0);
    ASSERT_EQ(layers.back(), 11);
    ASSERT_TRUE(std::is_sorted(layers.begin(), layers.end(), std::less_equal<>()));
    for (const int64_t layer : layers)
      shares[static_cast<size_t>(layer)] += 1.0 / kDraws;
  }
  for (int64_t layer = 1; layer < 11; ++layer)
    EXPECT_NEAR(shares[static_cast<size_t>(layer)], 0.4, 0.015) << layer;
  EXPECT_EQ(to_string(random_subnetwork(4, 4, 3, 0, 0)), "0 1 2 3");
  EXPECT_EQ(to_string(random_subnetwork(9, 2, 3, 0, 0)), "0 8");
  EXPECT_EQ(random_subnetwork(24, 12, 3, 5, 1), random_subnetwork(24, 12, 3, 5, 1));
  EXPECT_NE(random_subnetwork(24, 12, 3, 5, 1), random_subnetwork(24, 12, 3, 5, 0));
  EXPECT_NE(random_subnetwork(24, 12, 3, 5, 1), random_subnetwork(24, 12, 4, 5, 1));
}

}  // namespace
}  // namespace apollo
