#include "ops/determinism.h"

#include <ATen/Context.h>

#include <cstdlib>

namespace apollo {

void use_deterministic_operators(c10::Device device) {
  if (!device.is_cuda()) return;
  // cuBLAS gives the same bits only with a workspace chosen beforehand; otherwise LibTorch refuses
  // its matrix products.
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  // Without this every new tensor would be filled, which only helps programs that read unwritten
  // data.
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

}  // namespace apollo
