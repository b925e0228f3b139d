#include "ops/gelu_linear.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "ops/elementwise.h"
#include "ops/gradient_buffer.h"
#include "ops/parallel_rows.h"
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
    context->save_for_backward({x_NI, bias_I, weight});
    context->saved_data["by_tanh"] = by_tanh;
    context->saved_data["is_in_out"] = is_in_out;
    return at::mm(bias_gelu(x_NI, bias_I, kind, Kernels::kFused), is_in_out ? weight : weight.t());
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& x_NI = saved[0];
    const at::Tensor& weight = saved[2];
    const bool is_in_out = context->saved_data["is_in_out"].toBool();
    const bool by_tanh = context->saved_data["by_tanh"].toBool();
    const at::Tensor& grad_NO = grad_outputs[0];
    const at::Tensor grad_NI = at::mm(grad_NO, is_in_out ? weight.t() : weight);
    const at::Tensor gelu_NI = at::empty_like(x_NI);
    PartialSums sums(x_NI, 1);
    const BiasGeluGradientRows work{.width = x_NI.size(1),
                                    .kind = by_tanh ? GeluKind::kTanh : GeluKind::kErf,
                                    .x_NW = x_NI.const_data_ptr<float>(),
                                    .bias_W = saved[1].const_data_ptr<float>(),
                                    .grad_y_NW = grad_NI.const_data_ptr<float>(),
                                    .grad_x_NW = grad_NI.mutable_data_ptr<float>(),
                                    .grad_bias_CW = sums.data(0),
                                    .y_NW = gelu_NI.mutable_data_ptr<float>()};
    parallel_rows(x_NI.size(0), work.width, kBlockRows, [&](int64_t begin, int64_t end) {
      row_kernels().bias_gelu_gradient(work, begin, end);
    });
    const at::Tensor grad_weight = is_in_out ? add_weight_gradient(weight, gelu_NI.t(), grad_NO)
                                             : add_weight_gradient(weight, grad_NO.t(), gelu_NI);
    return {grad_NI, sums.total(0), grad_weight, {}, {}};
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
