// The permutation is the swap-or-not shuffle (Hoang, Morris, Rogaway, "An enciphering scheme based
// on a card shuffle", CRYPTO 2012). A round pairs each place x with k - x (mod n), k random, and
// swaps the two or not by a random bit of the pair. It is a bijection for any n, including 1, 2 and
// 3, so no cycle walking over a power of two is needed. The distance to a random permutation falls
// by a constant factor per round.
#include "data/sample_order.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "base/rng.h"

namespace apollo {
namespace {

// The finaliser of SplitMix64 (Steele et al., OOPSLA 2014).
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace

SampleOrder::SampleOrder(uint64_t seed, int64_t num_samples)
    : seed_(seed), num_samples_(num_samples) {
  if (num_samples < 1) fail<Error>("sample order of {} samples: expected at least 1", num_samples);
}

int64_t SampleOrder::sample_at(int64_t index) const {
  const auto n = static_cast<uint64_t>(num_samples_);
  const uint64_t epoch = static_cast<uint64_t>(index) / n;
  const uint64_t epoch_key = random_bits(seed_, RngStream::kSampleOrder, epoch);
  const int num_rounds = 24 + 2 * std::bit_width(n);

  uint64_t x = static_cast<uint64_t>(index) % n;
  for (int round = 0; round < num_rounds; round++) {
    const uint64_t key = mix(epoch_key + 0x9E3779B97F4A7C15u * static_cast<uint64_t>(round + 1));
    const auto k = static_cast<uint64_t>((static_cast<unsigned __int128>(key) * n) >> 64);
    const uint64_t partner = k >= x ? k - x : k + n - x;
    // The product above used up the high bits of the key, so the pair's bit comes from a new mix.
    const bool swap = (mix(key ^ mix(std::max(x, partner) + epoch_key)) >> 63) != 0;
    x = swap ? partner : x;
  }
  return static_cast<int64_t>(x);
}

}  // namespace apollo
