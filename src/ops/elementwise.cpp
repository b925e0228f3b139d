#include "ops/elementwise.h"

#include <ATen/TensorOperators.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "ops/dropout.h"
#include "ops/mixed_precision.h"
#include "ops/parallel_rows.h"
#include "ops/row_tensors.h"

namespace apollo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What the results of AddNorm are.
struct NormForm {
  double epsilon = 0.0;
  bool centred = true;
  bool in_bf16 = false;  // the norm, and its gradient and that of the branch
  bool exact = false;    // the norm in float32, too
};

// Returns {norm, statistics}, then the sum if there is a branch, then the exact norm if it is asked
// for.
class AddNorm : public torch::autograd::Function<AddNorm> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& residual,
                               const std::optional<at::Tensor>& branch,
                               const std::optional<at::Tensor>& branch_bias_W,
                               const DropoutDraw& dropout, const at::Tensor& weight_W,
                               const std::optional<at::Tensor>& bias_W, const NormForm& form) {
    const int64_t rows = num_rows(residual);
    const at::Tensor sum = branch ? at::empty_like(residual) : residual;
    const at::Tensor norm = at::empty_like(
        residual, residual.options().dtype(form.in_bf16 ? at::kBFloat16 : at::kFloat));
    const at::Tensor exact = form.exact ? at::empty_like(residual) : at::Tensor();
    const at::Tensor statistics_2N = at::empty({2, rows}, residual.options());
    with_element_of(norm, [&]<class T>(T) {
      AddNormRows<T> work{};
      work.width = residual.size(-1);
      work.centred = form.centred;
      work.epsilon = static_cast<float>(form.epsilon);
      work.residual_NW = data_of<const float>(residual);
      work.branch_NW = data_of<const T>(branch.value_or(at::Tensor()));
      work.branch_bias_W = data_of<const float>(branch_bias_W.value_or(at::Tensor()));
      work.dropout = dropout;
      work.weight_W = data_of<const float>(weight_W);
      work.bias_W = data_of<const float>(bias_W.value_or(at::Tensor()));
      if (branch) work.sum_NW = data_of<float>(sum);
      work.norm_NW = data_of<T>(norm);
      work.exact_NW = data_of<float>(exact);
      work.mean_N = data_of<float>(statistics_2N);
      work.rstd_N = work.mean_N + rows;
      parallel_rows(rows, work.width, kBlockRows, [&](int64_t begin, int64_t end) {
        element_kernels<T>().add_norm(work, begin, end);
      });
    });
    context->set_materialize_grads(false);
    context->save_for_backward({sum, statistics_2N, weight_W});
    context->saved_data["branch"] = branch.has_value();
    context->saved_data["exact"] = form.exact;
    context->saved_data["branch_bias"] = branch_bias_W.has_value();
    context->saved_data["bias"] = bias_W.has_value();
    context->saved_data["centred"] = form.centred;
    context->saved_data["in_bf16"] = form.in_bf16;
    save_draw(*context, dropout);
    context->mark_non_differentiable({statistics_2N});
    variable_list results = {norm, statistics_2N};
    if (branch) results.push_back(sum);
    if (form.exact) results.push_back(exact);
    return results;
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const at::Tensor& grad_norm = grad_outputs[0];
    const bool has_branch = context->saved_data["branch"].toBool();
    const bool has_exact = context->saved_data["exact"].toBool();
    const at::Tensor grad_carried = has_branch ? grad_outputs[2] : at::Tensor();
    const at::Tensor grad_exact = has_exact ? grad_outputs.back() : at::Tensor();
    const bool with_branch_bias = context->saved_data["branch_bias"].toBool();
    const bool in_bf16 = context->saved_data["in_bf16"].toBool();
    const DropoutDraw dropout = saved_draw(*context);
    if (!grad_norm.defined() && !grad_exact.defined())
      return carry_alone(grad_carried, with_branch_bias, in_bf16, dropout);

    const auto saved = context->get_saved_variables();
    const auto dense = [](const at::Tensor& x) { return x.defined() ? x.contiguous() : x; };
    const at::Tensor dense_norm = dense(grad_norm);
    const at::Tensor dense_carried = dense(grad_carried);
    const at::Tensor dense_exact = dense(grad_exact);
    const at::Tensor grad_sum = at::empty_like(saved[0]);
    at::Tensor grad_branch = has_branch ? grad_sum : at::Tensor();
    const bool is_separate = has_branch && (in_bf16 || dropout.probability > 0.0);
    if (is_separate) {
      grad_branch =
          at::empty_like(grad_sum, grad_sum.options().dtype(in_bf16 ? at::kBFloat16 : at::kFloat));
    }
    const bool with_bias = context->saved_data["bias"].toBool();
    PartialSums sums(saved[0], 3);
    const auto compute = [&]<class T>(T) {
      AddNormGradientRows<T> work{};
      work.width = grad_sum.size(-1);
      work.centred = context->saved_data["centred"].toBool();
      work.sum_NW = data_of<const float>(saved[0]);
      work.mean_N = data_of<const float>(saved[1]);
      work.rstd_N = work.mean_N + num_rows(grad_sum);
      work.weight_W = data_of<const float>(saved[2]);
      work.grad_norm_NW = data_of<const T>(dense_norm);
      work.grad_exact_NW = data_of<const float>(dense_exact);
      work.grad_carried_NW = data_of<const float>(dense_carried);
      work.grad_sum_NW = data_of<float>(grad_sum);
      work.dropout = dropout;
      if (is_separate) work.grad_branch_NW = data_of<T>(grad_branch);
      work.grad_weight_CW = sums.data(0);
      if (with_bias) work.grad_bias_CW = sums.data(1);
      if (with_branch_bias) work.grad_branch_bias_CW = sums.data(2);
      parallel_rows(num_rows(grad_sum), work.width, kBlockRows, [&](int64_t begin, int64_t end) {
        element_kernels<T>().add_norm_gradient(work, begin, end);
      });
    };
    if (in_bf16) {
      compute(Bf16{});
    } else {
      compute(float{});
    }
    return {grad_sum, grad_branch,   with_branch_bias ? sums.total(2) : at::Tensor(),
            {},       sums.total(0), with_bias ? sums.total(1) : at::Tensor(),
            {}};
  }

 private:
  // Returns the gradients if none came through the norm.
  static variable_list carry_alone(const at::Tensor& grad, bool with_branch_bias, bool in_bf16,
                                   const DropoutDraw& dropout) {
    if (!grad.defined()) return {{}, {}, {}, {}, {}, {}, {}};
    const at::Tensor grad_branch =
        dropout.probability > 0.0 ? masked(grad.contiguous(), dropout) : grad;
    at::Tensor grad_branch_bias_W;
    if (with_branch_bias) {
      grad_branch_bias_W = grad_branch.reshape({-1, grad_branch.size(-1)}).sum(0);
    }
    return {
        grad, in_bf16 ? grad_branch.to(at::kBFloat16) : grad_branch, grad_branch_bias_W, {}, {}, {},
        {}};
  }
};

class BiasGelu : public torch::autograd::Function<BiasGelu> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& bias_W,
                            bool by_tanh) {
    at::Tensor y = at::empty_like(x);
    with_element_of(x, [&]<class T>(T) {
      const BiasGeluRows<T> work{.width = x.size(-1),
                                 .kind = by_tanh ? GeluKind::kTanh : GeluKind::kErf,
                                 .x_NW = data_of<const T>(x),
                                 .bias_W = data_of<const float>(bias_W),
                                 .y_NW = data_of<T>(y)};
      parallel_rows(num_rows(x), work.width, kBlockRows, [&](int64_t begin, int64_t end) {
        element_kernels<T>().bias_gelu(work, begin, end);
      });
    });
    context->save_for_backward({x, bias_W});
    context->saved_data["by_tanh"] = by_tanh;
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor grad_y = grad_outputs[0].contiguous();
    const at::Tensor grad_x = at::empty_like(x);
    const bool by_tanh = context->saved_data["by_tanh"].toBool();
    const at::Tensor grad_bias_W = bias_gelu_gradient(
        x, saved[1], by_tanh ? GeluKind::kTanh : GeluKind::kErf, grad_y, grad_x, /*y=*/{});
    return {grad_x, grad_bias_W, {}};
  }
};

Norm plain_norm(const at::Tensor& x, const NormLayer& layer) {
  if (layer.kind == NormKind::kRms) {
    return {at::rms_norm(x.to(layer.weight_W.scalar_type()), {x.size(-1)}, layer.weight_W,
                         layer.epsilon)
                .to(x.scalar_type())};
  }
  return {at::layer_norm(x, {x.size(-1)}, layer.weight_W, layer.bias_W, layer.epsilon)};
}

std::optional<at::Tensor> if_defined(const at::Tensor& x) {
  return x.defined() ? std::optional<at::Tensor>(x) : std::nullopt;
}

bool norms_by_own_kernels(const at::Tensor& x, const NormLayer& layer, Kernels kernels) {
  return runs_own_kernels(x, {layer.weight_W}, kernels) &&
         (!layer.bias_W.defined() || fits(layer.bias_W, x));
}

variable_list add_norm(const at::Tensor& residual, const std::optional<at::Tensor>& branch,
                       const std::optional<at::Tensor>& branch_bias_W, const DropoutDraw& dropout,
                       const NormLayer& layer) {
  const NormForm form{.epsilon = layer.epsilon,
                      .centred = layer.kind == NormKind::kLayer,
                      .in_bf16 = in_mixed_precision(),
                      .exact = in_mixed_precision() && layer.feeds_stream};
  return AddNorm::apply(residual, branch, branch_bias_W, dropout, layer.weight_W,
                        if_defined(layer.bias_W), form);
}

}  // namespace

bool has_own_kernels(const at::Tensor& x, Kernels kernels) {
  const bool has_type =
      x.scalar_type() == at::kFloat || (x.scalar_type() == at::kBFloat16 && in_mixed_precision());
  return kernels == Kernels::kFused && x.device().is_cpu() && has_type &&
         !at::autocast::is_autocast_enabled(at::kCPU);
}

Norm apply_norm(const at::Tensor& given, const NormLayer& layer, Kernels kernels) {
  const at::Tensor x = in_mixed_precision() ? given.to(at::kFloat) : given;
  if (!norms_by_own_kernels(x, layer, kernels)) return plain_norm(x, layer);
  const auto results = add_norm(x, std::nullopt, std::nullopt, DropoutDraw{}, layer);
  const at::Tensor exact = results.size() > 2 ? results[2] : at::Tensor();
  return {results[0], x.detach(), results[1], layer, exact};
}

at::Tensor norm_again(const at::Tensor& input, const at::Tensor& statistics_2N,
                      const at::Tensor& weight_W, const at::Tensor& bias_W, at::ScalarType type) {
  const int64_t rows = num_rows(input);
  at::Tensor norm_NW = at::empty({rows, input.size(-1)}, input.options().dtype(type));
  with_element_of(norm_NW, [&]<class T>(T) {
    const NormRows<T> work{.width = input.size(-1),
                           .sum_NW = data_of<const float>(input),
                           .mean_N = data_of<const float>(statistics_2N),
                           .rstd_N = data_of<const float>(statistics_2N) + rows,
                           .weight_W = data_of<const float>(weight_W),
                           .bias_W = data_of<const float>(bias_W),
                           .norm_NW = data_of<T>(norm_NW)};
    parallel_rows(rows, work.width, kBlockRows,
                  [&](int64_t begin, int64_t end) { element_kernels<T>().norm(work, begin, end); });
  });
  return norm_NW;
}

at::Tensor bias_gelu_gradient(const at::Tensor& x, const at::Tensor& bias_W, GeluKind kind,
                              const at::Tensor& grad_y, const at::Tensor& grad_x,
                              const at::Tensor& y) {
  PartialSums sums(x, 1);
  with_element_of(x, [&]<class T>(T) {
    const BiasGeluGradientRows<T> work{.width = x.size(-1),
                                       .kind = kind,
                                       .x_NW = data_of<const T>(x),
                                       .bias_W = data_of<const float>(bias_W),
                                       .grad_y_NW = data_of<const T>(grad_y),
                                       .grad_x_NW = data_of<T>(grad_x),
                                       .grad_bias_CW = sums.data(0),
                                       .y_NW = data_of<T>(y)};
    parallel_rows(num_rows(x), work.width, kBlockRows, [&](int64_t begin, int64_t end) {
      element_kernels<T>().bias_gelu_gradient(work, begin, end);
    });
  });
  return sums.total(0);
}

SumAndNorm add_and_norm(const at::Tensor& given, const Branch& branch, const NormLayer& layer,
                        Kernels kernels) {
  const at::Tensor residual = in_mixed_precision() ? given.to(at::kFloat) : given;
  const bool with_bias = branch.bias_W.defined();
  const bool own =
      norms_by_own_kernels(residual, layer, kernels) && is_matrix(branch.value) &&
      branch.value.sizes() == residual.sizes() &&
      branch.value.scalar_type() == (in_mixed_precision() ? at::kBFloat16 : at::kFloat) &&
      (!with_bias || fits(branch.bias_W, residual)) && branch.dropout.probability < 1.0;
  if (!own) {
    const at::Tensor added = with_bias ? branch.value + branch.bias_W : branch.value;
    const at::Tensor sum = residual + composed_dropout(added, branch.dropout);
    return {sum, plain_norm(sum, layer)};
  }
  const auto results =
      add_norm(residual, branch.value, if_defined(branch.bias_W), branch.dropout, layer);
  const at::Tensor& sum = results[2];
  const at::Tensor exact = results.size() > 3 ? results[3] : at::Tensor();
  return {sum, {results[0], sum.detach(), results[1], layer, exact}};
}

at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias_W, GeluKind kind,
                     Kernels kernels) {
  const bool by_tanh = kind == GeluKind::kTanh;
  if (runs_own_kernels(x, {bias_W}, kernels)) return BiasGelu::apply(x, bias_W, by_tanh);
  return at::gelu(x + bias_W, by_tanh ? "tanh" : "none");
}

}  // namespace apollo
