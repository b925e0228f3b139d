// Mixed precision on the CPU (Micikevicius et al. 2018, "Mixed precision training", section 3.1;
// with bf16, Kalamkar et al. 2019): matrix products read and write bf16 and add up in float32.
// Master weights, moments, gradients of weights, the residual stream, norms, softmax and loss are
// float32.
//
// Activations are rounded by the kernel that makes them, not in a pass of their own: norms, GELU,
// gates, rotation and attention, forward and backward. An operator sees the mode by the type of
// what it reads; only norms and linear layers, which may read float32, ask in_mixed_precision().
#pragma once

#include <ATen/core/Tensor.h>

namespace apollo {

// Returns whether this processor multiplies bf16 (AVX512_BF16, or AMX with bf16).
bool cpu_multiplies_bf16();

// While one exists, in_bf16() of this thread casts each weight only once; it may not change
// meanwhile. Those inside another use that one's copies.
class WeightCastScope {
 public:
  WeightCastScope();
  ~WeightCastScope();
  WeightCastScope(const WeightCastScope&) = delete;
  WeightCastScope& operator=(const WeightCastScope&) = delete;
};

// While one exists, kFused operators of this thread run in mixed precision.
class MixedPrecisionScope {
 public:
  MixedPrecisionScope();
  ~MixedPrecisionScope();
  MixedPrecisionScope(const MixedPrecisionScope&) = delete;
  MixedPrecisionScope& operator=(const MixedPrecisionScope&) = delete;

 private:
  WeightCastScope weights_;
  bool before_;
};

bool in_mixed_precision();

// Returns a weight in bf16, without gradient.
at::Tensor in_bf16(const at::Tensor& weight);

}  // namespace apollo
