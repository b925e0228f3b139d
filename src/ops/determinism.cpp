#include "ops/determinism.h"

#include <ATen/Context.h>

#include <cstdlib>

namespace apollo {

void use_deterministic_operators(c10::Device device) {
  if (!device.is_cuda()) return;
  // cuBLAS promises the same bits with a workspace that is chosen beforehand; LibTorch refuses its
  // matrix products otherwise.
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  // Else every new tensor is filled, for the sake of programs that read what they did not write.
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

}  // namespace apollo
