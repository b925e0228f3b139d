// Where the gradient of a parameter is added up, so that an operator can add to it by itself: no
// tensor for the summand, none of its zeroes and copies.
#pragma once

#include <ATen/core/Tensor.h>

namespace apollo {

// The .grad of a leaf that wants a gradient and has a buffer for it, dense or transposed dense like
// the leaf; else undefined: autograd must then be given the gradient. For the backward pass of
// operators whose gradients can't be differentiated again.
at::Tensor gradient_buffer(const at::Tensor& parameter);

// Adds left * right to the gradient of `weight`, in place, and returns an undefined tensor; or
// returns the product where there is no buffer.
at::Tensor add_weight_gradient(const at::Tensor& weight, const at::Tensor& left,
                               const at::Tensor& right);

}  // namespace apollo
