// The parts of a transformer block that architectures share.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/model.h"
#include "ops/elementwise.h"
#include "ops/linear.h"

namespace apollo {

// The layer whose output is that of `layer` times `factor`.
LinearLayer scaled(const LinearLayer& layer, double factor);

// gelu(x W + b).
at::Tensor linear_gelu(const Norm& x, const LinearLayer& layer, GeluKind kind, Kernels kernels);

// The end of a residual branch: sum = residual + dropout(x W + b), and the LayerNorm of it.
SumAndNorm add_linear_and_norm(const at::Tensor& residual, const at::Tensor& x,
                               const LinearLayer& layer, const NormLayer& norm, double dropout,
                               Kernels kernels);

// The MLP's branch: sum = residual + dropout(gelu(x W1 + b1) W2 + b2), and the LayerNorm of it.
SumAndNorm add_mlp_and_norm(const at::Tensor& residual, const Norm& x, const LinearLayer& inner,
                            GeluKind kind, const LinearLayer& outer, const NormLayer& norm,
                            double dropout, Kernels kernels);

// Throws UsageError where a sequence is longer than the context.
void check_length(const ModelSpec& spec, int64_t length);

// Zeroes each element with this probability and scales the rest, while training.
at::Tensor apply_dropout(const at::Tensor& x, double probability, const PassOptions& options);

}  // namespace apollo
