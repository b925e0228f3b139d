// The hidden layer of an MLP: GELU and the product after it as one operator. The GELU, the widest
// activation of a block, is not kept for the gradient, because the loop that computes the gradient
// of x has it anyway.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/run_config.h"
#include "ops/linear.h"
#include "ops/row_kernels.h"

namespace apollo {

// Returns gelu(x + bias) W, [..., O]. x: [..., I]; bias: [I]; W, of `layer`: I -> O. Kept for the
// gradient: x. The gradient of W goes to its .grad as in linear.h. kReference, and inputs that our
// own kernels do not take, run bias_gelu() and linear_without_bias().
at::Tensor gelu_linear_without_bias(const at::Tensor& x, const at::Tensor& bias_I, GeluKind kind,
                                    const LinearLayer& layer, Kernels kernels);

}  // namespace apollo
