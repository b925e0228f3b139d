#include "optim/clip.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

namespace apollo {

at::Tensor gradient_norm(const at::Tensor& gradients) {
  return at::linalg_vector_norm(gradients);
}

void clip_gradients(const at::Tensor& gradients, double norm, double largest) {
  const double factor = largest / (norm + 1e-6);
  if (largest > 0 && factor < 1.0) gradients.mul_(factor);
}

}  // namespace apollo
