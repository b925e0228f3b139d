// Where the gradient of a parameter is added up, so that an operator can add to it by itself: no
// tensor for the summand, none of its zeroes and copies.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/linear.h"

namespace apollo {

// The .grad of a leaf that wants a gradient and has a buffer for it, dense or transposed dense like
// the leaf; else undefined: autograd must then be given the gradient. For the backward pass of
// operators whose gradients can't be differentiated again.
at::Tensor gradient_buffer(const at::Tensor& parameter);

// Adds the gradient of `weight` in x W, x_NI^T grad_NO, to its buffer and returns an undefined
// tensor; or returns it where there is no buffer.
at::Tensor add_weight_gradient(const at::Tensor& weight, WeightOrder order, const at::Tensor& x_NI,
                               const at::Tensor& grad_NO);

}  // namespace apollo
