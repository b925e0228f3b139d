// The kernels for x86 with AVX-512 F, DQ and VL; CMakeLists.txt has the flags.
#define APOLLO_VECTOR_BYTES 64
#include "ops/row_kernels_body.h"
#include "ops/row_kernels_targets.h"

namespace apollo {

const RowKernels& avx512_row_kernels() {
  return kRowKernels;
}

}  // namespace apollo
