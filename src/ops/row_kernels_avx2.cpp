// The kernels for x86 with AVX2 and FMA; CMakeLists.txt has the flags.
#define APOLLO_VECTOR_BYTES 32
#include "ops/row_kernels_body.h"
#include "ops/row_kernels_targets.h"

namespace apollo {

const RowKernels& avx2_row_kernels() {
  return kRowKernels;
}

}  // namespace apollo
