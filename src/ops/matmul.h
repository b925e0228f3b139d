// Products of matrices: float32 on the CPU by the library that is fastest on this processor,
// everything else, and what autograd has to record or automatic mixed precision to cast, by ATen.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "config/run_config.h"

namespace apollo {

// a b. a: [M, K], b: [K, N] -> [M, N]; either may be a transposed view.
at::Tensor matrix_product(const at::Tensor& a_MK, const at::Tensor& b_KN);

// bias + a b, the bias in every row.
at::Tensor matrix_product_with_bias(const at::Tensor& bias_N, const at::Tensor& a_MK,
                                    const at::Tensor& b_KN);

// sum += a b.
void add_matrix_product(const at::Tensor& sum_MN, const at::Tensor& a_MK, const at::Tensor& b_KN);

// For the whole process, not while products run. kAuto, as without a call: oneDNN where it is
// known to be faster, on AMD's processors from Zen 5 on. LibTorch's BLAS (MKL) takes its AVX-512
// kernels on Intel's alone, and such a processor does twice the work a cycle with AVX-512.
// Throws UsageError for kOneDnn where it is not installed.
void set_matmul_library(MatmulLibrary library);

// The library in use, for the log: "oneDNN 2.6.3", "LibTorch's BLAS".
std::string matmul_library_name();

}  // namespace apollo
