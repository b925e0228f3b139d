#include "ops/gelu_linear.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "ops/elementwise.h"
#include "ops/gradient_buffer.h"
#include "ops/matmul.h"
#include "ops/row_tensors.h"

namespace apollo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class GeluLinear : public torch::autograd::Function<GeluLinear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_NI,
                            const at::Tensor& bias_I, const at::Tensor& weight, bool by_tanh,
                            bool is_in_out) {
    const GeluKind kind = by_tanh ? GeluKind::kTanh : GeluKind::kErf;
    const at::Tensor read = weight_as_read(weight, x_NI);
    context->save_for_backward({x_NI, bias_I, weight, read});
    context->saved_data["by_tanh"] = by_tanh;
    context->saved_data["is_in_out"] = is_in_out;
    const WeightOrder order = is_in_out ? WeightOrder::kInOut : WeightOrder::kOutIn;
    return matrix_product(bias_gelu(x_NI, bias_I, kind, Kernels::kFused), as_in_out(read, order));
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& x_NI = saved[0];
    const at::Tensor& weight = saved[2];
    const WeightOrder order =
        context->saved_data["is_in_out"].toBool() ? WeightOrder::kInOut : WeightOrder::kOutIn;
    const bool by_tanh = context->saved_data["by_tanh"].toBool();
    const at::Tensor& grad_NO = grad_outputs[0];
    const at::Tensor grad_NI = matrix_product(grad_NO, as_in_out(saved[3], order).t());
    const at::Tensor gelu_NI = at::empty_like(x_NI);
    const at::Tensor grad_bias_I =
        bias_gelu_gradient(x_NI, saved[1], by_tanh ? GeluKind::kTanh : GeluKind::kErf, grad_NI,
                           /*grad_x=*/grad_NI, gelu_NI);
    return {grad_NI, grad_bias_I, add_weight_gradient(weight, order, gelu_NI, grad_NO), {}, {}};
  }
};

}  // namespace

at::Tensor gelu_linear_without_bias(const at::Tensor& x, const at::Tensor& bias_I, GeluKind kind,
                                    const LinearLayer& layer, Kernels kernels) {
  if (!at::GradMode::is_enabled() || !runs_own_kernels(x, {bias_I}, kernels)) {
    return linear_without_bias(bias_gelu(x, bias_I, kind, kernels), layer, kernels);
  }
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = layer.num_outputs();
  return GeluLinear::apply(x.reshape({-1, x.size(-1)}), bias_I, layer.weight,
                           kind == GeluKind::kTanh, layer.order == WeightOrder::kInOut)
      .view(shape);
}

}  // namespace apollo
