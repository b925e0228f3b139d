#include "train/machine.h"

#include <ATen/Parallel.h>

namespace apollo {
namespace {

void set_threads(int threads) {
  if (at::get_num_threads() != threads) at::set_num_threads(threads);
}

}  // namespace

MachineScope::MachineScope(const RunConfig::Run& run, MatmulLibrary matmul)
    : threads_before_(at::get_num_threads()),
      matmul_(run.kernels == Kernels::kFused ? matmul : MatmulLibrary::kLibTorch) {
  set_threads(static_cast<int>(run.threads > 0 ? run.threads : threads_before_));
}

MachineScope::~MachineScope() {
  set_threads(threads_before_);
}

}  // namespace apollo
