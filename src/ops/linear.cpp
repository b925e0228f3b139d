#include "ops/linear.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <vector>

#include "ops/elementwise.h"
#include "ops/gradient_buffer.h"
#include "ops/matmul.h"
#include "ops/mixed_precision.h"
#include "ops/parallel_rows.h"
#include "ops/row_tensors.h"

namespace apollo {

at::Tensor gradient_buffer(const at::Tensor& parameter) {
  if (!parameter.is_leaf() || !parameter.requires_grad()) return {};
  const at::Tensor& grad = parameter.grad();
  const bool usable = grad.defined() && grad.layout() == at::kStrided &&
                      grad.scalar_type() == parameter.scalar_type() &&
                      grad.device() == parameter.device() && !grad.requires_grad();
  return usable ? grad : at::Tensor();
}

at::Tensor as_in_out(const at::Tensor& weight, WeightOrder order) {
  return order == WeightOrder::kInOut ? weight : weight.t();
}

at::Tensor weight_as_read(const at::Tensor& weight, const at::Tensor& x) {
  return in_mixed_precision() && x.scalar_type() == at::kBFloat16 ? in_bf16(weight) : weight;
}

at::Tensor add_weight_gradient(const at::Tensor& weight, WeightOrder order, const at::Tensor& x_NI,
                               const at::Tensor& grad_NO) {
  const bool is_in_out = order == WeightOrder::kInOut;
  const at::Tensor left = (is_in_out ? x_NI : grad_NO).t();
  const at::Tensor& right = is_in_out ? grad_NO : x_NI;
  at::Tensor grad = gradient_buffer(weight);
  if (!grad.defined()) return matrix_product(left, right);
  add_matrix_product(grad, left, right);
  return {};
}

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Takes a weight as it is read.
at::Tensor product(const at::Tensor& x_NI, const at::Tensor& weight,
                   const std::optional<at::Tensor>& bias_O, WeightOrder order) {
  const at::Tensor weight_IO = as_in_out(weight, order);
  return bias_O ? matrix_product_with_bias(weight_as_read(*bias_O, x_NI), x_NI, weight_IO)
                : matrix_product(x_NI, weight_IO);
}

// Returns the sum of the rows, in float32.
at::Tensor sum_of_rows(const at::Tensor& grad_NO) {
  if (!is_dense(grad_NO, at::kBFloat16)) return grad_NO.sum(0, /*keepdim=*/false, at::kFloat);
  PartialSums sums(grad_NO, 1);
  const ColumnSumRows work{
      .width = grad_NO.size(1), .x_NW = data_of<const Bf16>(grad_NO), .sums_CW = sums.data(0)};
  parallel_rows(grad_NO.size(0), work.width, kBlockRows,
                [&](int64_t begin, int64_t end) { row_kernels().column_sums(work, begin, end); });
  return sums.total(0);
}

// `origin` is the norm that made x, if our own kernels made it.
class Linear : public torch::autograd::Function<Linear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_NI,
                            const at::Tensor& weight, const std::optional<at::Tensor>& bias_O,
                            bool is_in_out, const Norm& origin) {
    const at::Tensor kept_x_NI = origin.input.defined() ? at::Tensor() : x_NI;
    const at::Tensor read = weight_as_read(weight, x_NI);
    context->save_for_backward({kept_x_NI, weight, bias_O.value_or(at::Tensor()), origin.input,
                                origin.statistics_2N, origin.layer.weight_W, origin.layer.bias_W,
                                read});
    context->saved_data["is_in_out"] = is_in_out;
    return product(x_NI, read, bias_O, is_in_out ? WeightOrder::kInOut : WeightOrder::kOutIn);
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const auto saved = context->get_saved_variables();
    const WeightOrder order =
        context->saved_data["is_in_out"].toBool() ? WeightOrder::kInOut : WeightOrder::kOutIn;
    const at::Tensor& grad_NO = grad_outputs[0];
    at::Tensor grad_x_NI, grad_weight, grad_bias_O;
    if (context->needs_input_grad(1)) {
      const at::Tensor x_NI = saved[0].defined() ? saved[0]
                                                 : norm_again(saved[3], saved[4], saved[5],
                                                              saved[6], saved[7].scalar_type());
      grad_weight = add_weight_gradient(saved[1], order, x_NI, grad_NO);
    }
    if (context->needs_input_grad(0)) {
      grad_x_NI = matrix_product(grad_NO, as_in_out(saved[7], order).t());
    }
    if (saved[2].defined() && context->needs_input_grad(2)) {
      grad_bias_O = sum_of_rows(grad_NO);
    }
    return {grad_x_NI, grad_weight, grad_bias_O, {}, {}};
  }
};

at::Tensor apply_linear(const Norm& norm, const LinearLayer& layer, bool with_bias,
                        Kernels kernels) {
  const at::Tensor& x = norm.value;
  at::Tensor x_NI = x.reshape({-1, x.size(-1)});
  const bool own = has_own_kernels(x, kernels);
  if (own && in_mixed_precision()) x_NI = x_NI.to(at::kBFloat16);
  std::optional<at::Tensor> bias_O;
  if (with_bias && layer.bias.defined()) bias_O = layer.bias;
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = layer.num_outputs();
  if (!own || !at::GradMode::is_enabled()) {
    return product(x_NI, weight_as_read(layer.weight, x_NI), bias_O, layer.order).view(shape);
  }
  const bool is_in_out = layer.order == WeightOrder::kInOut;
  return Linear::apply(x_NI, layer.weight, bias_O, is_in_out, norm).view(shape);
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const LinearLayer& layer, Kernels kernels) {
  return linear(Norm{x}, layer, kernels);
}

at::Tensor linear(const Norm& x, const LinearLayer& layer, Kernels kernels) {
  return apply_linear(x, layer, /*with_bias=*/true, kernels);
}

at::Tensor linear_without_bias(const at::Tensor& x, const LinearLayer& layer, Kernels kernels) {
  return linear_without_bias(Norm{x}, layer, kernels);
}

at::Tensor linear_without_bias(const Norm& x, const LinearLayer& layer, Kernels kernels) {
  return apply_linear(x, layer, /*with_bias=*/false, kernels);
}

}  // namespace apollo
