// The kernels for any machine, in vectors of 16 bytes.
#define APOLLO_VECTOR_BYTES 16
#include "ops/row_kernels_body.h"
#include "ops/row_kernels_targets.h"

namespace apollo {

const RowKernels& portable_row_kernels() {
  return kRowKernels;
}

}  // namespace apollo
