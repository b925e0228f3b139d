// Vectors of floats in the vector extension of GCC and Clang, and the functions that GELU needs.
//
// Only the files that compile the kernels for one instruction set each include this header.
// Everything has internal linkage, and no header with inline functions is included: a function
// compiled for AVX-512 in one file must never be the one that the linker keeps for another.
#pragma once

#include <cstdint>
#include <utility>

#include "ops/bf16.h"

#ifndef APOLLO_VECTOR_BYTES
#error "define APOLLO_VECTOR_BYTES, the width of the machine's vectors, before this header"
#endif

namespace apollo {
namespace {

constexpr int64_t kLanes = APOLLO_VECTOR_BYTES / sizeof(float);
using Floats = float __attribute__((vector_size(APOLLO_VECTOR_BYTES)));
using Bits = uint32_t __attribute__((vector_size(APOLLO_VECTOR_BYTES)));

inline Bits bits_of(const Floats& x) {
  return reinterpret_cast<Bits>(x);
}

inline Floats floats_of(const Bits& x) {
  return reinterpret_cast<Floats>(x);
}

inline Floats load(const float* from) {
  Floats x;
  __builtin_memcpy(&x, from, sizeof(x));
  return x;
}

inline void store(float* to, const Floats& x) {
  __builtin_memcpy(to, &x, sizeof(x));
}

using HalfBits = uint16_t __attribute__((vector_size(APOLLO_VECTOR_BYTES / 2)));

inline Floats load(const Bf16* from) {
  HalfBits x;
  __builtin_memcpy(&x, from, sizeof(x));
  return floats_of(__builtin_convertvector(x, Bits) << 16);
}

// Rounds to the nearest bf16, and to the even one of two. NaN stays NaN.
inline void store(Bf16* to, const Floats& x) {
  const Bits bits = bits_of(x);
  const Bits rounded = bits + (((bits >> 16) & 1U) + 0x7fffU);
  const HalfBits upper =
      __builtin_convertvector((x == x ? rounded : (bits | 0x400000U)) >> 16, HalfBits);
  __builtin_memcpy(to, &upper, sizeof(upper));
}

// Loads the first `count` < kLanes elements and fills the other lanes with `rest`.
inline Floats load_part(const float* from, int64_t count, float rest = 0.0F) {
  Floats x = Floats{} + rest;
  for (int64_t i = 0; i < count; ++i)
    x[i] = from[i];
  return x;
}

inline Floats load_part(const Bf16* from, int64_t count, float rest = 0.0F) {
  Bits x = bits_of(Floats{} + rest);
  for (int64_t i = 0; i < count; ++i)
    x[i] = static_cast<uint32_t>(from[i].bits) << 16;
  return floats_of(x);
}

inline void store_part(float* to, const Floats& x, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    to[i] = x[i];
}

inline void store_part(Bf16* to, const Floats& x, int64_t count) {
  Bf16 whole[kLanes];
  store(whole, x);
  for (int64_t i = 0; i < count; ++i)
    to[i] = whole[i];
}

// A row consists of whole vectors and, unless the width is a multiple of the lanes, a part of one.
// for_columns() calls each(i, lanes) for all of them, where lanes.load() and lanes.store() handle
// the vector at column i. Beyond the row, load() gives zeros or another number, and mask(x) zeroes
// x.
struct Whole {
  template <class T>
  Floats load(const T* from, float = 0.0F) const {
    return apollo::load(from);
  }
  template <class T>
  void store(T* to, const Floats& x) const {
    apollo::store(to, x);
  }
  Floats mask(const Floats& x) const { return x; }
};

struct Part {
  int64_t count;
  template <class T>
  Floats load(const T* from, float rest = 0.0F) const {
    return load_part(from, count, rest);
  }
  template <class T>
  void store(T* to, const Floats& x) const {
    store_part(to, x, count);
  }
  Floats mask(const Floats& x) const {
    Floats kept = {};
    for (int64_t i = 0; i < count; ++i)
      kept[i] = x[i];
    return kept;
  }
};

template <class Each>
inline void for_columns(int64_t width, const Each& each) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes)
    each(i, Whole{});
  if (i < width) each(i, Part{width - i});
}

// Returns the sum of the lanes, by halves.
inline float sum(const Floats& x) {
  float lanes[kLanes];
  __builtin_memcpy(lanes, &x, sizeof(x));
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i)
      lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

inline Floats larger(const Floats& x, const Floats& y) {
  return x > y ? x : y;
}

inline float largest(const Floats& x) {
  float found = x[0];
  for (int64_t i = 1; i < kLanes; ++i)
    found = x[i] > found ? x[i] : found;
  return found;
}

// Returns 0, 1, 2, ...
inline Bits lane_numbers() {
  Bits numbers;
  for (int64_t i = 0; i < kLanes; ++i)
    numbers[i] = static_cast<uint32_t>(i);
  return numbers;
}

// As many vectors as each has lanes.
using Square = Floats[kLanes];

// Returns the lanes of both vectors in turn, from lane kFirst on.
template <int64_t kFirst, int... kLane>
inline Floats interleave(const Floats& x, const Floats& y, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(x, y, (kFirst + kLane / 2 + kLane % 2 * kLanes)...);
}

// Each stage rotates the bits of (row, lane), read as one number, by one place.
inline void transpose(Square& square) {
  const auto lanes = std::make_integer_sequence<int, kLanes>();
  for (int64_t stage = 1; stage < kLanes; stage *= 2) {
    Square next;
#pragma GCC unroll 8
    for (int64_t i = 0; i < kLanes / 2; ++i) {
      next[2 * i] = interleave<0>(square[i], square[i + kLanes / 2], lanes);
      next[2 * i + 1] = interleave<kLanes / 2>(square[i], square[i + kLanes / 2], lanes);
    }
#pragma GCC unroll 16
    for (int64_t i = 0; i < kLanes; ++i)
      square[i] = next[i];
  }
}

inline Floats absolute(const Floats& x) {
  return floats_of(bits_of(x) & 0x7fffffffU);
}

// Clamps into [-limit, limit]; NaN stays.
inline Floats clamp(const Floats& x, float limit) {
  const Floats most = Floats{} + limit;
  const Floats above = x > most ? most : x;
  return above < -most ? -most : above;
}

// Returns e^x for x <= 0, and 0 below -87.7, with a relative error of 1.1e-7. x = n ln 2 + r with
// an integer n. Adding 1.5 * 2^23 rounds to n and leaves it in the lowest bits; splitting ln 2 into
// two parts keeps r exact.
inline Floats exp_of_negative(const Floats& given) {
  const Floats lowest = Floats{} - 88.0F;
  const Floats x = given < lowest ? lowest : given;
  const Floats shifted = x * 1.44269504F + 12582912.0F;
  const Floats n = shifted - 12582912.0F;
  const Floats r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  Floats p = r * 0.00139013311F + 0.00836326027F;
  p = p * r + 0.0416668549F;
  p = p * r + 0.166665766F;
  p = p * r + 0.5F;
  p = (p * r) * r + r + 1.0F;
  // 2^n by its exponent; n = -127 gives 0.
  return p * floats_of((bits_of(shifted) + 127U) << 23);
}

// GELU is x Phi(x) and its derivative Phi(x) + x Phi'(x) for one function Phi.
struct PhiAndSlope {
  Floats phi;
  Floats x_slope;  // x Phi'(x)
};

// Beyond this both functions Phi are 0 or 1 in float32, and their slopes are 0.
constexpr float kPhiLimit = 14.0F;

// Phi(x) = sigmoid(z) with z = 2 sqrt(2/pi) (x + 0.044715 x^3), which is (1 + tanh(z/2)) / 2. Using
// e^-|z|, neither tail overflows or cancels.
inline PhiAndSlope phi_by_tanh(const Floats& given) {
  constexpr float kLinear = 1.59576912F;
  constexpr float kCubic = 0.0713548163F;
  const Floats x = clamp(given, kPhiLimit);
  const Floats square = x * x;
  const Floats z = x * (square * kCubic + kLinear);
  const Floats e = exp_of_negative(-absolute(z));
  const Floats larger = 1.0F / (1.0F + e);
  const Floats smaller = e * larger;
  const Floats x_dz = x * (square * (3.0F * kCubic) + kLinear);
  return {z < 0.0F ? smaller : larger, larger * smaller * x_dz};
}

// Phi(x) = P(X < x) for a normal X. The tail P(X > t), t >= 0, is e^(-t^2/2) times a smooth
// function that falls like 1/t. It is fitted as P(q) / (t + 2.9) with q = (t - 2.9) / (t + 2.9) in
// [-1, 1] and P of degree 8, with a relative error of 2e-8 (a Lawson fit in double precision).
inline PhiAndSlope phi_by_erf(const Floats& given) {
  constexpr float kInverseSqrt2Pi = 0.398942280F;
  const Floats x = clamp(given, kPhiLimit);
  const Floats t = absolute(x);
  const Floats e = exp_of_negative(x * x * -0.5F);
  const Floats w = 1.0F / (t + 2.9F);
  const Floats q = (t - 2.9F) * w;
  Floats p = q * -0.000321739564F + -0.000723405956F;
  p = p * q + 0.00174201446F;
  p = p * q + 0.00566161667F;
  p = p * q + -0.0135621307F;
  p = p * q + -0.0345252663F;
  p = p * q + 0.211311409F;
  p = p * q + -0.495965409F;
  p = p * q + 0.725277953F;
  const Floats tail = e * (p * w);
  return {x < 0.0F ? tail : 1.0F - tail, x * (e * kInverseSqrt2Pi)};
}

}  // namespace
}  // namespace apollo
