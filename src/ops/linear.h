// The linear layer. kFused adds the gradients of a layer's parameters in place to the .grad of the
// leaves, where they have one (gradient_buffer.h), instead of handing them to autograd: float32 on
// the CPU outside automatic mixed precision. So these parameters must be differentiated by
// backward() and not by autograd's grad(). Elsewhere, and with kReference, plain ATen operators.
//
// Kept for the gradient: x; of a norm that own kernels made, what it was made from, which its own
// gradient keeps already: the gradient of the weight makes the norm again.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/run_config.h"
#include "ops/elementwise.h"

namespace apollo {

// As checkpoints store a weight: GPT-2's as [in, out], BERT's as [out, in].
enum class WeightOrder { kInOut, kOutIn };

struct LinearLayer {
  at::Tensor weight;
  at::Tensor bias = {};  // [out]; undefined: none
  WeightOrder order = WeightOrder::kInOut;

  int64_t num_outputs() const { return weight.size(order == WeightOrder::kInOut ? 1 : 0); }
};

// The weight as [in, out], a view.
at::Tensor as_in_out(const at::Tensor& weight, WeightOrder order);

// x W + b, or x W where there is no b. x: [..., in] -> [..., out].
at::Tensor linear(const at::Tensor& x, const LinearLayer& layer, Kernels kernels);
at::Tensor linear(const Norm& x, const LinearLayer& layer, Kernels kernels);

// x W, for operators that add the bias themselves.
at::Tensor linear_without_bias(const at::Tensor& x, const LinearLayer& layer, Kernels kernels);
at::Tensor linear_without_bias(const Norm& x, const LinearLayer& layer, Kernels kernels);

}  // namespace apollo
