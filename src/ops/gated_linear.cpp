#include "ops/gated_linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/silu.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "ops/elementwise.h"
#include "ops/gradient_buffer.h"
#include "ops/matmul.h"
#include "ops/parallel_rows.h"
#include "ops/row_tensors.h"

namespace apollo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::vector<int64_t> shape_with_last(const at::Tensor& x, int64_t size) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = size;
  return shape;
}

at::Tensor gated_of(const at::Tensor& x, GateKind kind) {
  const int64_t width = x.size(-1) / 2;
  at::Tensor y = at::empty(shape_with_last(x, width), x.options());
  with_element_of(x, [&]<class T>(T) {
    const GatedRows<T> work{
        .width = width, .kind = kind, .x_N2I = data_of<const T>(x), .y_NI = data_of<T>(y)};
    parallel_rows(num_rows(x), width, /*block=*/1, [&](int64_t begin, int64_t end) {
      element_kernels<T>().gated(work, begin, end);
    });
  });
  return y;
}

// Returns the gradient of x; writes the gated value to `y` again unless that is undefined.
at::Tensor gated_gradient(const at::Tensor& x, GateKind kind, const at::Tensor& grad_y,
                          const at::Tensor& y) {
  at::Tensor grad_x = at::empty_like(x);
  with_element_of(x, [&]<class T>(T) {
    const GatedGradientRows<T> work{.width = x.size(-1) / 2,
                                    .kind = kind,
                                    .x_N2I = data_of<const T>(x),
                                    .grad_y_NI = data_of<const T>(grad_y),
                                    .grad_x_N2I = data_of<T>(grad_x),
                                    .y_NI = data_of<T>(y)};
    parallel_rows(num_rows(x), work.width, /*block=*/1, [&](int64_t begin, int64_t end) {
      element_kernels<T>().gated_gradient(work, begin, end);
    });
  });
  return grad_x;
}

GateKind saved_kind(AutogradContext& context) {
  return context.saved_data["is_silu"].toBool() ? GateKind::kSilu : GateKind::kGelu;
}

class Gated : public torch::autograd::Function<Gated> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, bool is_silu) {
    context->save_for_backward({x});
    context->saved_data["is_silu"] = is_silu;
    return gated_of(x, is_silu ? GateKind::kSilu : GateKind::kGelu);
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const auto saved = context->get_saved_variables();
    const GateKind kind = saved_kind(*context);
    return {gated_gradient(saved[0], kind, grad_outputs[0].contiguous(), /*y=*/{}), {}};
  }
};

class GatedLinear : public torch::autograd::Function<GatedLinear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_NX,
                            const at::Tensor& weight, bool is_silu, bool is_in_out) {
    const at::Tensor read = weight_as_read(weight, x_NX);
    context->save_for_backward({x_NX, weight, read});
    context->saved_data["is_silu"] = is_silu;
    context->saved_data["is_in_out"] = is_in_out;
    const WeightOrder order = is_in_out ? WeightOrder::kInOut : WeightOrder::kOutIn;
    return matrix_product(gated_of(x_NX, is_silu ? GateKind::kSilu : GateKind::kGelu),
                          as_in_out(read, order));
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& x_NX = saved[0];
    const at::Tensor& weight = saved[1];
    const WeightOrder order =
        context->saved_data["is_in_out"].toBool() ? WeightOrder::kInOut : WeightOrder::kOutIn;
    const at::Tensor& grad_NO = grad_outputs[0];
    const at::Tensor grad_NI = matrix_product(grad_NO, as_in_out(saved[2], order).t());
    const at::Tensor y_NI = at::empty_like(grad_NI);
    const at::Tensor grad_x_NX = gated_gradient(x_NX, saved_kind(*context), grad_NI, y_NI);
    return {grad_x_NX, add_weight_gradient(weight, order, y_NI, grad_NO), {}, {}};
  }
};

}  // namespace

at::Tensor gated(const at::Tensor& x, GateKind kind, Kernels kernels) {
  const bool is_silu = kind == GateKind::kSilu;
  if (runs_own_kernels(x, {}, kernels)) return Gated::apply(x, is_silu);
  const std::vector<at::Tensor> halves = x.chunk(2, -1);
  return (is_silu ? at::silu(halves[0]) : at::gelu(halves[0])) * halves[1];
}

at::Tensor gated_linear_without_bias(const at::Tensor& x, GateKind kind, const LinearLayer& layer,
                                     Kernels kernels) {
  if (!at::GradMode::is_enabled() || !runs_own_kernels(x, {}, kernels)) {
    return linear_without_bias(gated(x, kind, kernels), layer, kernels);
  }
  return GatedLinear::apply(x.reshape({-1, x.size(-1)}), layer.weight, kind == GateKind::kSilu,
                            layer.order == WeightOrder::kInOut)
      .view(shape_with_last(x, layer.num_outputs()));
}

}  // namespace apollo
