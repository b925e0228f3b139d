// Matrix products. Float32 on the CPU uses the library that is fastest on this processor. ATen does
// everything else, including what autograd has to record or automatic mixed precision to cast. ATen
// multiplies bf16 on the CPU by LibTorch's own oneDNN, adds up in float32 and rounds once.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "config/run_config.h"

namespace apollo {

// Returns a b. a: [M, K], b: [K, N] -> [M, N]; either may be a transposed view.
at::Tensor matrix_product(const at::Tensor& a_MK, const at::Tensor& b_KN);

// Returns bias + a b, with the bias in every row.
at::Tensor matrix_product_with_bias(const at::Tensor& bias_N, const at::Tensor& a_MK,
                                    const at::Tensor& b_KN);

// Computes sum = kept * sum + factor * a b. The sum is float32, also of factors in bf16.
void add_matrix_product(const at::Tensor& sum_MN, const at::Tensor& a_MK, const at::Tensor& b_KN,
                        double kept = 1.0, double factor = 1.0);

// Sets the library of this thread's products during its lifetime. With kAuto, as without a scope,
// that is oneDNN where it is known to be faster without measuring: on AMD's processors from Zen 5
// on. There AVX-512 does twice the work per cycle, but LibTorch's BLAS (MKL) uses its AVX-512
// kernels only on Intel's processors. A training run measures instead (train/matmul_choice.h).
class MatmulScope {
 public:
  // Throws UsageError for kOneDnn if oneDNN is not installed.
  explicit MatmulScope(MatmulLibrary library);
  ~MatmulScope();
  MatmulScope(const MatmulScope&) = delete;
  MatmulScope& operator=(const MatmulScope&) = delete;

 private:
  const void* before_;
};

// Returns the library in use, for the log: "oneDNN 2.6.3", "LibTorch's BLAS".
std::string matmul_library_name();

}  // namespace apollo
