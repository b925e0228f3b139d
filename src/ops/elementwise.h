// What runs between the matrix products of a block: residual sums, norms, bias and GELU.
//
// kFused runs our own kernels (row_kernels.h) for dense float32 on the CPU outside LibTorch's
// automatic mixed precision, and for bf16 in ours (mixed_precision.h). Otherwise, and with
// kReference, the same is composed of ATen's operators. The gradients of the kernels cannot be
// differentiated again. No result depends on the number of threads.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/run_config.h"
#include "ops/dropout_draw.h"
#include "ops/row_kernels.h"

namespace apollo {

// Returns whether kFused means our own kernels for activations like x. If so, a bias is better
// added by them than by the matrix product before.
bool has_own_kernels(const at::Tensor& x, Kernels kernels);

// LayerNorm (Ba et al. 2016), or RMSNorm (Zhang and Sennrich 2019, equation 4), which neither
// subtracts the mean nor has a bias.
enum class NormKind { kLayer, kRms };

// The parameters of a norm: [W] each.
struct NormLayer {
  at::Tensor weight_W;
  at::Tensor bias_W = {};  // undefined: none
  double epsilon = 0.0;
  NormKind kind = NormKind::kLayer;
  bool feeds_stream = false;  // the residual stream goes on with the norm, as in BERT
};

// The result of a norm, and the inputs from which our own kernels made it. An operator whose
// backward pass needs the result can compute it again from these instead of keeping it.
struct Norm {
  at::Tensor value;  // [..., W]; in mixed precision bf16
  // All undefined if the result cannot be computed again.
  at::Tensor input = {};          // [..., W], without gradient
  at::Tensor statistics_2N = {};  // mean and reciprocal standard deviation of each row, or 0 and
                                  // the reciprocal root of its mean square
  NormLayer layer = {};
  at::Tensor exact = {};  // the value in float32, in mixed precision if layer.feeds_stream

  // Returns what the residual stream goes on with.
  const at::Tensor& stream() const { return exact.defined() ? exact : value; }
};

// Returns (x - mean) / sqrt(variance + epsilon) * weight + bias over the last dimension, or, for
// kRms, x / sqrt(mean(x^2) + epsilon) * weight. x: [..., W].
Norm apply_norm(const at::Tensor& x, const NormLayer& layer, Kernels kernels);

// Computes the value of such a norm again, as [N, W] of `type`, to the same bits and without
// gradient. `bias_W` undefined: none.
at::Tensor norm_again(const at::Tensor& input, const at::Tensor& statistics_2N,
                      const at::Tensor& weight_W, const at::Tensor& bias_W,
                      at::ScalarType type = at::kFloat);

struct SumAndNorm {
  at::Tensor sum;
  Norm norm;
};

// What is added to the residual stream: dropout(value + bias). value: [..., W]; bias: [W] or
// undefined.
struct Branch {
  at::Tensor value;
  at::Tensor bias_W = {};
  DropoutDraw dropout = {};
};

// Returns sum = residual + dropout(branch + its bias), and its norm; both are [..., W] like
// `residual`. Kept for the gradient: `sum`, which the caller has anyway, and two numbers per row,
// but no mask.
SumAndNorm add_and_norm(const at::Tensor& residual, const Branch& branch, const NormLayer& layer,
                        Kernels kernels);

// Returns gelu(x + bias); x: [..., W], bias: [W]. Kept for the gradient: x.
at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias_W, GeluKind kind, Kernels kernels);

// Computes the gradient of bias_gelu() by our own kernels. Writes the gradient of x to `grad_x`,
// which may be `grad_y`, and the GELU itself to `y` unless that is undefined. Returns the gradient
// of the bias, [W].
at::Tensor bias_gelu_gradient(const at::Tensor& x, const at::Tensor& bias_W, GeluKind kind,
                              const at::Tensor& grad_y, const at::Tensor& grad_x,
                              const at::Tensor& y);

}  // namespace apollo
