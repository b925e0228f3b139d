// The inside of an MLP: GELU and the product behind it as one operator, so that the GELU, the
// widest activation of a block, is not kept for the gradient: the loop that forms the gradient of x
// has it anyway.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/run_config.h"
#include "ops/linear.h"
#include "ops/row_kernels.h"

namespace apollo {

// gelu(x + bias) W. x: [..., I], bias: [I], W of `layer`: I -> O; returns [..., O]. Kept for the
// gradient: x. The gradient of W goes to its .grad as in linear.h. kReference and what the own
// kernels do not take: bias_gelu() and linear_without_bias().
at::Tensor gelu_linear_without_bias(const at::Tensor& x, const at::Tensor& bias_I, GeluKind kind,
                                    const LinearLayer& layer, Kernels kernels);

}  // namespace apollo
