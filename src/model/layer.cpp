#include "model/layer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>

#include "base/error.h"
#include "base/rng.h"
#include "ops/gelu_linear.h"

namespace apollo {

LinearLayer scaled(const LinearLayer& layer, double factor) {
  if (factor == 1.0) return layer;
  const at::Tensor bias = layer.bias.defined() ? layer.bias * factor : layer.bias;
  return {layer.weight * factor, bias, layer.order};
}

at::Tensor linear_gelu(const Norm& x, const LinearLayer& layer, GeluKind kind, Kernels kernels) {
  if (has_own_kernels(x.value, kernels) && layer.bias.defined()) {
    return bias_gelu(linear_without_bias(x, layer, kernels), layer.bias, kind, kernels);
  }
  return at::gelu(linear(x, layer, kernels), kind == GeluKind::kTanh ? "tanh" : "none");
}

SumAndNorm add_linear_and_norm(const at::Tensor& residual, const at::Tensor& x,
                               const LinearLayer& layer, const NormLayer& norm,
                               const DropoutDraw& dropout, Kernels kernels) {
  const Branch branch = has_own_kernels(x, kernels)
                            ? Branch{linear_without_bias(x, layer, kernels), layer.bias, dropout}
                            : Branch{linear(x, layer, kernels), {}, dropout};
  return add_and_norm(residual, branch, norm, kernels);
}

SumAndNorm add_mlp_and_norm(const at::Tensor& residual, const Norm& x, const LinearLayer& inner,
                            GeluKind kind, const LinearLayer& outer, const NormLayer& norm,
                            const DropoutDraw& dropout, Kernels kernels) {
  if (!has_own_kernels(x.value, kernels)) {
    return add_linear_and_norm(residual, linear_gelu(x, inner, kind, kernels), outer, norm, dropout,
                               kernels);
  }
  const Branch branch{gelu_linear_without_bias(linear_without_bias(x, inner, kernels), inner.bias,
                                               kind, outer, kernels),
                      outer.bias, dropout};
  return add_and_norm(residual, branch, norm, kernels);
}

void check_length(const ModelSpec& spec, int64_t length) {
  if (length <= spec.shape.context) return;
  fail<UsageError>("a sequence of {} tokens does not fit the context of {}", length,
                   spec.shape.context);
}

DropoutDraw dropout_at(DropoutSite site, int64_t place, const ModelSpec& spec,
                       const PassOptions& options) {
  if (!options.training || spec.dropout == 0.0) return {};
  return {spec.dropout, random_bits(options.dropout_key, RngStream::kDropout,
                                    static_cast<uint64_t>(place), static_cast<uint32_t>(site))};
}

}  // namespace apollo
