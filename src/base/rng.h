// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011). A number is a pure function of (seed, stream, a, b), so it depends neither
// on what was drawn before, nor on the number of threads, nor on restarts.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace apollo {

// The purpose of a number; streams of one seed are independent.
enum class RngStream : uint32_t {
  kDepth = 1,
  kSampleOrder = 2,
  kMasking = 3,
  kDropout = 4,
  kInit = 5,
  kGenerate = 6,
  kSplit = 7,
  kStrata = 8,
  kSubnetwork = 9,
};

// The plain block function: computes four words from a 128-bit counter and a 64-bit key.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Returns 64 random bits keyed by (seed, stream, a, b). `b` counts up to 2^32.
uint64_t random_bits(uint64_t seed, RngStream stream, uint64_t a, uint32_t b = 0);

// Returns a number uniform in [0, 1) with 53 bits, keyed in the same way.
double random_uniform(uint64_t seed, RngStream stream, uint64_t a, uint32_t b = 0);

}  // namespace apollo
