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

// sum = kept sum + factor a b.
void add_matrix_product(const at::Tensor& sum_MN, const at::Tensor& a_MK, const at::Tensor& b_KN,
                        double kept = 1.0, double factor = 1.0);

// The library of this thread's products for the lifetime of the scope; then the one before. kAuto,
// as without a scope: oneDNN where it is known to be faster without measuring, on AMD's processors
// from Zen 5 on. LibTorch's BLAS (MKL) takes its AVX-512 kernels on Intel's only, and such a
// processor does twice the work a cycle with AVX-512. A run that trains measures instead
// (train/matmul_choice.h).
class MatmulScope {
 public:
  // Throws UsageError for kOneDnn where it is not installed.
  explicit MatmulScope(MatmulLibrary library);
  ~MatmulScope();
  MatmulScope(const MatmulScope&) = delete;
  MatmulScope& operator=(const MatmulScope&) = delete;

 private:
  const void* before_;
};

// The library in use, for the log: "oneDNN 2.6.3", "LibTorch's BLAS".
std::string matmul_library_name();

}  // namespace apollo
