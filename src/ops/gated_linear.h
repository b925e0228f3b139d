// The hidden layer of a gated MLP: SwiGLU or GeGLU (Shazeer, "GLU Variants Improve Transformer",
// 2020, equation 6) and the product after it as one operator. The gated value is not kept for the
// gradient, because the loop that computes the gradient of x has it anyway.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/run_config.h"
#include "ops/linear.h"
#include "ops/row_kernels.h"

namespace apollo {

// Returns act(gate) * up, [..., I], with the activation of `kind`. x: gate and up side by side,
// [..., 2I]. Kept for the gradient: x.
at::Tensor gated(const at::Tensor& x, GateKind kind, Kernels kernels);

// Returns gated(x) W, [..., O]. x: [..., 2I]; W, of `layer`: I -> O. Kept for the gradient: x. The
// gradient of W goes to its .grad as in linear.h. kReference, and inputs that our own kernels do
// not take, run gated() and linear_without_bias().
at::Tensor gated_linear_without_bias(const at::Tensor& x, GateKind kind, const LinearLayer& layer,
                                     Kernels kernels);

}  // namespace apollo
