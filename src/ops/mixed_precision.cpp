#include "ops/mixed_precision.h"

#include <ATen/core/grad_mode.h>

#include <unordered_map>

#ifdef __x86_64__
#include <cpuid.h>
#endif

namespace apollo {
namespace {

struct WeightCast {
  at::Tensor weight;  // kept, so that no other tensor can take its address
  uint32_t version = 0;
  at::Tensor cast;
};

struct ThreadState {
  int num_cast_scopes = 0;
  std::unordered_map<const at::TensorImpl*, WeightCast> casts;
  bool is_mixed = false;
};

ThreadState& state() {
  thread_local ThreadState state;
  return state;
}

}  // namespace

bool cpu_multiplies_bf16() {
#ifdef __x86_64__
  __builtin_cpu_init();
  // This asks whether the system keeps the wide registers, too.
  if (!__builtin_cpu_supports("avx512f")) return false;
  constexpr unsigned kAvx512Bf16 = 1U << 5, kAmxBf16 = 1U << 22;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kAvx512Bf16) != 0) return true;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kAmxBf16) != 0;
#else
  return false;
#endif
}

WeightCastScope::WeightCastScope() {
  ++state().num_cast_scopes;
}

WeightCastScope::~WeightCastScope() {
  if (--state().num_cast_scopes == 0) state().casts.clear();
}

MixedPrecisionScope::MixedPrecisionScope() : before_(state().is_mixed) {
  state().is_mixed = true;
}

MixedPrecisionScope::~MixedPrecisionScope() {
  state().is_mixed = before_;
}

bool in_mixed_precision() {
  return state().is_mixed;
}

at::Tensor in_bf16(const at::Tensor& weight) {
  const at::NoGradGuard no_grad;
  if (state().num_cast_scopes == 0 || !weight.is_leaf()) return weight.to(at::kBFloat16);
  WeightCast& known = state().casts[weight.unsafeGetTensorImpl()];
  if (!known.cast.defined() || known.version != weight._version())
    known = {weight, static_cast<uint32_t>(weight._version()), weight.to(at::kBFloat16)};
  return known.cast;
}

}  // namespace apollo
