// What the operators with weights share: how they read a weight, and where its gradient goes.
//
// The buffer in which the gradient of a parameter is summed. An operator that adds to it directly
// needs no tensor for its summand and neither zeroes nor copies one.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/linear.h"

namespace apollo {

// Returns the .grad of a leaf that requires a gradient and has a buffer for it, dense or transposed
// dense like the leaf. Otherwise returns undefined, and autograd must be given the gradient. For
// the backward pass of operators whose gradients cannot be differentiated again.
at::Tensor gradient_buffer(const at::Tensor& parameter);

// Returns the weight as the product with x reads it: in bf16 if x is, which is so in mixed
// precision (mixed_precision.h). The backward pass needs it again.
at::Tensor weight_as_read(const at::Tensor& weight, const at::Tensor& x);

// Adds the gradient of `weight` in x W, which is x_NI^T grad_NO, to its buffer and returns an
// undefined tensor; returns the gradient itself if there is no buffer.
at::Tensor add_weight_gradient(const at::Tensor& weight, WeightOrder order, const at::Tensor& x_NI,
                               const at::Tensor& grad_NO);

}  // namespace apollo
