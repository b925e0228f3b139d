// Tests Philox against the known answers that its authors publish (Random123, tests/kat_vectors),
// and the keyed numbers made from it.
#include "base/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace apollo {
namespace {

using Block = std::array<uint32_t, 4>;

TEST(Philox, GivesThePublishedAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  // The counter and the key are digits of pi.
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomBits, AreTheFirstTwoWordsOfTheBlockOfTheirKey) {
  const uint64_t seed = 0x0123456789abcdef;
  const uint64_t a = 0xfedcba9876543210;
  const Block block = philox4x32({0x76543210, 0xfedcba98, 7, 2}, {0x89abcdef, 0x01234567});
  EXPECT_EQ(random_bits(seed, RngStream::kSampleOrder, a, 7),
            static_cast<uint64_t>(block[1]) << 32 | block[0]);
}

TEST(RandomBits, DifferInEveryPartOfTheKey) {
  std::set<uint64_t> seen;
  for (const uint64_t seed : {0ull, 1ull, 1ull << 32, 1ull << 63}) {
    for (const RngStream stream : {RngStream::kDepth, RngStream::kDropout}) {
      for (const uint64_t a : {0ull, 1ull, 1ull << 32, 1ull << 63}) {
        for (const uint32_t b : {0u, 1u, 1u << 31})
          seen.insert(random_bits(seed, stream, a, b));
      }
    }
  }
  EXPECT_EQ(seen.size(), 4u * 2 * 4 * 3);
}

TEST(RandomUniform, IsUniform) {
  constexpr int kDraws = 200000;
  constexpr int kBins = 100;
  std::vector<double> counts(kBins, 0.0);
  double sum = 0.0;
  double product = 0.0;  // of neighbours: independent draws have mean 1/4
  double previous = 0.5;
  for (int i = 0; i < kDraws; ++i) {
    const double value = random_uniform(42, RngStream::kDepth, static_cast<uint64_t>(i));
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    ++counts[static_cast<size_t>(value * kBins)];
    sum += value;
    product += value * previous;
    previous = value;
  }
  double chi_square = 0.0;
  const double expected = static_cast<double>(kDraws) / kBins;
  for (const double count : counts) {
    chi_square += (count - expected) * (count - expected) / expected;
  }
  EXPECT_LT(chi_square, 148.2);  // 99 degrees of freedom, 0.1 %
  EXPECT_GT(chi_square, 60.0);   // too even is no accident either
  EXPECT_NEAR(sum / kDraws, 0.5, 4 * std::sqrt(1.0 / 12 / kDraws));
  EXPECT_NEAR(product / kDraws, 0.25, 0.002);
}

}  // namespace
}  // namespace apollo
