// The inside of a gated MLP: SwiGLU (Shazeer, "GLU Variants Improve Transformer", 2020, equation 6)
// and the product behind it as one operator, so that the SwiGLU is not kept for the gradient: the
// loop that forms the gradient of x has it anyway.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/run_config.h"
#include "ops/linear.h"

namespace apollo {

// silu(gate) * up, with silu(x) = x / (1 + e^-x). x: gate and up side by side, [..., 2I]; returns
// [..., I]. Kept for the gradient: x.
at::Tensor swiglu(const at::Tensor& x, Kernels kernels);

// swiglu(x) W. x: [..., 2I], W of `layer`: I -> O; returns [..., O]. Kept for the gradient: x. The
// gradient of W goes to its .grad as in linear.h. kReference and what the own kernels do not take:
// swiglu() and linear_without_bias().
at::Tensor swiglu_linear_without_bias(const at::Tensor& x, const LinearLayer& layer,
                                      Kernels kernels);

}  // namespace apollo
