#include "optim/newton_schulz.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>

#include "arch/hidden_matrices.h"
#include "ops/matmul.h"

namespace apollo {
namespace {

constexpr double kA = 3.4445;
constexpr double kB = -4.7750;
constexpr double kC = 2.0315;
constexpr double kLeastNorm = 1e-7;  // a zero matrix stays zero

// Smaller products take less time than their call: ten times less at 16 x 16.
constexpr int64_t kSmallElements = 64 * 64;
constexpr int64_t kCacheLine = 16;  // elements
// How many elements are iterated at once: they stay in a processor's cache, or fill a GPU.
constexpr int64_t kElementsAtOnceCpu = int64_t{1} << 18;
constexpr int64_t kElementsAtOnceGpu = int64_t{1} << 25;

// Iterates one matrix, with the run's library of products.
at::Tensor iterate(at::Tensor x_RC) {
  for (int step = 0; step < kNewtonSchulzSteps; ++step) {
    const at::Tensor gram_RR = matrix_product(x_RC, x_RC.t());
    const at::Tensor factor_RR = gram_RR.clone();
    add_matrix_product(factor_RR, gram_RR, gram_RR, kB, kC);
    const at::Tensor next_RC = x_RC.clone();
    add_matrix_product(next_RC, factor_RR, x_RC, kA);
    x_RC = next_RC;
  }
  return x_RC;
}

at::Tensor iterate_together(at::Tensor x_NRC) {
  for (int step = 0; step < kNewtonSchulzSteps; ++step) {
    const at::Tensor gram_NRR = at::bmm(x_NRC, x_NRC.transpose(1, 2));
    const at::Tensor factor_NRR = at::baddbmm(gram_NRR, gram_NRR, gram_NRR, kB, kC);
    x_NRC = at::baddbmm(x_NRC, factor_NRR, x_NRC, kA);
  }
  return x_NRC;
}

}  // namespace

at::Tensor orthogonalized(const at::Tensor& matrices_NRC) {
  const at::Tensor norms_N11 =
      at::linalg_vector_norm(matrices_NRC, 2, at::IntArrayRef{1, 2}, /*keepdim=*/true);
  const at::Tensor x_NRC = matrices_NRC / norms_N11.clamp_min(kLeastNorm);
  if (!x_NRC.is_cpu()) return iterate_together(x_NRC.to(at::kBFloat16)).to(at::kFloat);
  // Depends only on the shape, because a rank may have only one of the matrices that are shared
  // out.
  const bool one_by_one = orthogonalized_at_once(x_NRC.size(1), x_NRC.size(2), x_NRC.device()) == 1;
  if (one_by_one && x_NRC.size(0) == 1) return iterate(x_NRC.squeeze(0)).unsqueeze(0);
  return iterate_together(x_NRC);
}

int64_t orthogonalized_at_once(int64_t rows, int64_t columns, at::Device device) {
  const int64_t elements = std::max<int64_t>(1, rows * columns);
  if (!device.is_cpu()) return std::max<int64_t>(1, kElementsAtOnceGpu / elements);
  // If each matrix begins at a multiple of a cache line, its products have the same bits whatever
  // lies next to it. So ranks may share the matrices out.
  const bool aligned = rows % kCacheLine == 0 && columns % kCacheLine == 0;
  return aligned && elements <= kSmallElements ? kElementsAtOnceCpu / elements : 1;
}

}  // namespace apollo
