#include "ops/row_kernels.h"

#include "base/error.h"
#include "ops/row_kernels_targets.h"

namespace apollo {
namespace {

// Returns null if this build or this machine lacks the instruction set.
const RowKernels* kernels_of(InstructionSet set) {
  if (set == InstructionSet::kPortable) return &portable_row_kernels();
#ifdef __x86_64__
  if (set == InstructionSet::kAvx2 && __builtin_cpu_supports("avx2") &&
      __builtin_cpu_supports("fma")) {
    return &avx2_row_kernels();
  }
  if (set == InstructionSet::kAvx512 && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return &avx512_row_kernels();
  }
#endif
  return nullptr;
}

const RowKernels* best_kernels() {
  for (const InstructionSet set : {InstructionSet::kAvx512, InstructionSet::kAvx2}) {
    if (const RowKernels* kernels = kernels_of(set)) return kernels;
  }
  return kernels_of(InstructionSet::kPortable);
}

const RowKernels*& kernels_in_use() {
  static const RowKernels* kernels = best_kernels();
  return kernels;
}

}  // namespace

int64_t attention_scratch_size(int64_t length, int64_t head_width) {
  // The gradient needs the most: seven copies of a head padded to whole blocks and vectors, two
  // blocks of scores and one each of the queries and their gradients.
  constexpr int64_t kMostLanes = 16;
  const auto filled = [](int64_t size, int64_t unit) { return (size + unit - 1) / unit * unit; };
  const int64_t width = filled(head_width, kMostLanes);
  return 7 * filled(length, kAttentionBlock) * width + 2 * kAttentionBlock * kAttentionBlock +
         2 * kAttentionBlock * width;
}

bool is_supported(InstructionSet set) {
  return kernels_of(set) != nullptr;
}

const RowKernels& row_kernels() {
  return *kernels_in_use();
}

InstructionSetScope::InstructionSetScope(InstructionSet set) : before_(kernels_in_use()) {
  const RowKernels* kernels = kernels_of(set);
  if (kernels == nullptr) fail<UsageError>("this machine lacks the instruction set asked for");
  kernels_in_use() = kernels;
}

InstructionSetScope::~InstructionSetScope() {
  kernels_in_use() = before_;
}

}  // namespace apollo
