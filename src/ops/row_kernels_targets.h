// One source of kernels, compiled for several instruction sets; row_kernels.cpp chooses one.
#pragma once

#include "ops/row_kernels.h"

namespace apollo {

const RowKernels& portable_row_kernels();
const RowKernels& avx2_row_kernels();
const RowKernels& avx512_row_kernels();

}  // namespace apollo
