// The linear layer. On the CPU, in float32 or in mixed precision (mixed_precision.h), kFused adds
// the gradients of a layer's parameters directly to the .grad of the leaves that have one
// (gradient_buffer.h) instead of handing them to autograd. So these parameters must be
// differentiated by backward() and not by autograd's grad(). Otherwise, and with kReference, it
// runs plain ATen operators. In mixed precision x may be float32, which is then cast.
//
// Kept for the gradient: x. If x is a norm made by our own kernels, only its inputs are kept, which
// its own gradient keeps anyway, and the gradient of the weight computes the norm again.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/run_config.h"
#include "ops/elementwise.h"

namespace apollo {

// The order in which checkpoints store a weight: GPT-2 as [in, out], BERT as [out, in].
enum class WeightOrder { kInOut, kOutIn };

struct LinearLayer {
  at::Tensor weight;
  at::Tensor bias = {};  // [out]; undefined: none
  WeightOrder order = WeightOrder::kInOut;

  int64_t num_outputs() const { return weight.size(order == WeightOrder::kInOut ? 1 : 0); }
};

// Returns the weight as [in, out], a view.
at::Tensor as_in_out(const at::Tensor& weight, WeightOrder order);

// Returns x W + b, or x W if there is no b. x: [..., in] -> [..., out].
at::Tensor linear(const at::Tensor& x, const LinearLayer& layer, Kernels kernels);
at::Tensor linear(const Norm& x, const LinearLayer& layer, Kernels kernels);

// Returns x W, for operators that add the bias themselves.
at::Tensor linear_without_bias(const at::Tensor& x, const LinearLayer& layer, Kernels kernels);
at::Tensor linear_without_bias(const Norm& x, const LinearLayer& layer, Kernels kernels);

}  // namespace apollo
