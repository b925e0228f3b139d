#include "data/sample_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "base/error.h"

namespace apollo {
namespace {

std::vector<int64_t> epoch_of(const SampleOrder& order, int64_t epoch) {
  const int64_t n = order.num_samples();
  std::vector<int64_t> samples;
  for (int64_t i = 0; i < n; i++)
    samples.push_back(order.sample_at(epoch * n + i));
  return samples;
}

// More than this many standard deviations above the mean of chi-square happens once in 10^5 or so.
void expect_uniform(const std::vector<int64_t>& counts, double expected) {
  double chi_square = 0.0;
  for (const int64_t count : counts) {
    const double difference = static_cast<double>(count) - expected;
    chi_square += difference * difference / expected;
  }
  const double degrees = static_cast<double>(counts.size()) - 1;
  EXPECT_LT(chi_square, degrees + 5 * std::sqrt(2 * degrees) + 5);
  EXPECT_GT(chi_square, degrees - 5 * std::sqrt(2 * degrees) - 5);
}

TEST(SampleOrder, IsABijectionInEveryEpoch) {
  std::vector<int64_t> sizes;
  for (int64_t n = 1; n <= 300; n++)
    sizes.push_back(n);
  for (const int64_t n : {1000, 1023, 1024, 1025, 65537, 300001})
    sizes.push_back(n);
  for (const int64_t n : sizes) {
    const SampleOrder order(42, n);
    for (const int64_t epoch : {0, 1, 12345}) {
      std::vector<int64_t> samples = epoch_of(order, epoch);
      std::sort(samples.begin(), samples.end());
      for (int64_t i = 0; i < n; i++)
        ASSERT_EQ(samples[static_cast<size_t>(i)], i) << n;
    }
  }
}

TEST(SampleOrder, HangsOnSeedAndEpoch) {
  const SampleOrder order(1, 1000);
  EXPECT_EQ(epoch_of(order, 0), epoch_of(SampleOrder(1, 1000), 0));
  EXPECT_NE(epoch_of(order, 0), epoch_of(order, 1));
  EXPECT_NE(epoch_of(order, 0), epoch_of(SampleOrder(2, 1000), 0));
}

TEST(SampleOrder, GivesEveryPermutationOfFewSamplesAlikeOften) {
  for (const int64_t n : {2, 3, 4, 5}) {
    const SampleOrder order(3, n);
    std::map<std::vector<int64_t>, int64_t> seen;
    const int64_t num_epochs = 60000;
    for (int64_t epoch = 0; epoch < num_epochs; epoch++)
      seen[epoch_of(order, epoch)]++;
    std::vector<int64_t> counts;
    for (const auto& [permutation, count] : seen)
      counts.push_back(count);
    const auto num_permutations = static_cast<size_t>(std::tgamma(static_cast<double>(n) + 1));
    ASSERT_EQ(counts.size(), num_permutations) << n;
    expect_uniform(counts, static_cast<double>(num_epochs) / static_cast<double>(counts.size()));
  }
}

TEST(SampleOrder, PutsEverySampleAtEveryPlaceAlikeOften) {
  const int64_t n = 50;
  const int64_t num_epochs = 40000;
  const SampleOrder order(4, n);
  std::vector<int64_t> counts(static_cast<size_t>(n * n));
  for (int64_t i = 0; i < n * num_epochs; i++) {
    counts[static_cast<size_t>(i % n * n + order.sample_at(i))]++;
  }
  // Rows and columns each sum to the number of epochs: (n - 1)^2 degrees of freedom, not n^2 - 1.
  double chi_square = 0.0;
  for (const int64_t count : counts) {
    const double expected = static_cast<double>(num_epochs) / n;
    chi_square += (static_cast<double>(count) - expected) *
                  (static_cast<double>(count) - expected) / expected;
  }
  const double degrees = (n - 1) * (n - 1);
  EXPECT_LT(std::abs(chi_square - degrees), 5 * std::sqrt(2 * degrees));
}

TEST(SampleOrder, ScattersNeighbours) {
  const int64_t n = 100003;
  const SampleOrder order(5, n);
  const std::vector<int64_t> samples = epoch_of(order, 0);
  std::vector<int64_t> gaps(100);
  for (size_t i = 0; i + 1 < samples.size(); i++) {
    gaps[static_cast<size_t>((samples[i + 1] - samples[i] + n) % n * 100 / n)]++;
  }
  expect_uniform(gaps, static_cast<double>(n - 1) / 100);
}

TEST(SampleOrder, RefusesNoSamples) {
  std::string text;
  try {
    SampleOrder(1, 0);
  } catch (const Error& error) {
    text = error.what();
  }
  EXPECT_EQ(text, "sample order of 0 samples: expected at least 1");
}

}  // namespace
}  // namespace apollo
