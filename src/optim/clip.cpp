#include "optim/clip.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <cmath>

namespace apollo {

at::Tensor block_norms(const at::Tensor& gradients) {
  const int64_t num_whole = gradients.numel() / kNormBlock;
  const at::Tensor whole = gradients.slice(0, 0, num_whole * kNormBlock);
  const at::Tensor rest = gradients.slice(0, num_whole * kNormBlock);
  const at::Tensor norms =
      at::linalg_vector_norm(whole.view({num_whole, kNormBlock}), 2, at::IntArrayRef{1});
  if (rest.numel() == 0) return norms;
  return at::cat({norms, at::linalg_vector_norm(rest).reshape({1})});
}

double norm_of_blocks(std::span<const double> norms) {
  double squares = 0.0;
  for (const double norm : norms)
    squares += norm * norm;
  return std::sqrt(squares);
}

double gradient_norm(const at::Tensor& gradients) {
  const at::Tensor norms = block_norms(gradients).to(at::kCPU, at::kDouble);
  return norm_of_blocks({norms.const_data_ptr<double>(), static_cast<size_t>(norms.numel())});
}

void clip_gradients(const at::Tensor& gradients, double norm, double largest) {
  const double factor = largest / (norm + 1e-6);
  if (largest > 0 && factor < 1.0) gradients.mul_(factor);
}

}  // namespace apollo
