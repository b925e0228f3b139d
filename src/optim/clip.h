// Gradient norm and clipping over the whole gradient buffer.
#pragma once

#include <ATen/core/Tensor.h>

namespace apollo {

// Euclidean norm of all gradients, a scalar on their device; not finite where any of them is not.
at::Tensor gradient_norm(const at::Tensor& gradients);

// Scales the gradients so that their norm, which is `norm`, is at most `largest` (0: no clipping),
// by the factor of torch.nn.utils.clip_grad_norm_.
void clip_gradients(const at::Tensor& gradients, double norm, double largest);

}  // namespace apollo
