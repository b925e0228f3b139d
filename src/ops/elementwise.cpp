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
#include "ops/parallel_rows.h"
#include "ops/row_tensors.h"

namespace apollo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

const float* data_or_null(const std::optional<at::Tensor>& x) {
  return x ? x->const_data_ptr<float>() : nullptr;
}

// Returns {norm, statistics} of the residual only, or {norm, statistics, sum} if there is a branch.
class AddNorm : public torch::autograd::Function<AddNorm> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& residual,
                               const std::optional<at::Tensor>& branch,
                               const std::optional<at::Tensor>& branch_bias_W,
                               const DropoutDraw& dropout, const at::Tensor& weight_W,
                               const std::optional<at::Tensor>& bias_W, double epsilon,
                               bool centred) {
    const int64_t rows = num_rows(residual);
    const at::Tensor sum = branch ? at::empty_like(residual) : residual;
    const at::Tensor norm = at::empty_like(residual);
    const at::Tensor statistics_2N = at::empty({2, rows}, residual.options());
    AddNormRows work{};
    work.width = residual.size(-1);
    work.centred = centred;
    work.epsilon = static_cast<float>(epsilon);
    work.residual_NW = residual.const_data_ptr<float>();
    work.branch_NW = data_or_null(branch);
    work.branch_bias_W = data_or_null(branch_bias_W);
    work.dropout = dropout;
    work.weight_W = weight_W.const_data_ptr<float>();
    work.bias_W = data_or_null(bias_W);
    if (branch) work.sum_NW = sum.mutable_data_ptr<float>();
    work.norm_NW = norm.mutable_data_ptr<float>();
    work.mean_N = statistics_2N.mutable_data_ptr<float>();
    work.rstd_N = work.mean_N + rows;
    parallel_rows(rows, work.width, kBlockRows,
                  [&](int64_t begin, int64_t end) { row_kernels().add_norm(work, begin, end); });
    context->set_materialize_grads(false);
    context->save_for_backward({sum, statistics_2N, weight_W});
    context->saved_data["branch_bias"] = branch_bias_W.has_value();
    context->saved_data["bias"] = bias_W.has_value();
    context->saved_data["centred"] = centred;
    save_draw(*context, work.dropout);
    context->mark_non_differentiable({statistics_2N});
    if (branch) return {norm, statistics_2N, sum};
    return {norm, statistics_2N};
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const bool has_branch = grad_outputs.size() > 2;
    const at::Tensor& grad_norm = grad_outputs[0];
    const at::Tensor grad_carried = has_branch ? grad_outputs[2] : at::Tensor();
    const bool with_branch_bias = context->saved_data["branch_bias"].toBool();
    const DropoutDraw dropout = saved_draw(*context);
    if (!grad_norm.defined()) return carry_alone(grad_carried, with_branch_bias, dropout);

    const auto saved = context->get_saved_variables();
    const at::Tensor dense_norm = grad_norm.contiguous();
    const at::Tensor dense_carried =
        grad_carried.defined() ? grad_carried.contiguous() : at::Tensor();
    const at::Tensor grad_sum = at::empty_like(saved[0]);
    const bool with_bias = context->saved_data["bias"].toBool();
    PartialSums sums(saved[0], 3);
    AddNormGradientRows work{};
    work.width = grad_sum.size(-1);
    work.centred = context->saved_data["centred"].toBool();
    work.sum_NW = saved[0].const_data_ptr<float>();
    work.mean_N = saved[1].const_data_ptr<float>();
    work.rstd_N = work.mean_N + num_rows(grad_sum);
    work.weight_W = saved[2].const_data_ptr<float>();
    work.grad_norm_NW = dense_norm.const_data_ptr<float>();
    if (dense_carried.defined()) work.grad_carried_NW = dense_carried.const_data_ptr<float>();
    work.grad_sum_NW = grad_sum.mutable_data_ptr<float>();
    at::Tensor grad_branch = has_branch ? grad_sum : at::Tensor();
    if (dropout.probability > 0.0) {
      grad_branch = at::empty_like(grad_sum);
      work.dropout = dropout;
      work.grad_branch_NW = grad_branch.mutable_data_ptr<float>();
    }
    work.grad_weight_CW = sums.data(0);
    if (with_bias) work.grad_bias_CW = sums.data(1);
    if (with_branch_bias) work.grad_branch_bias_CW = sums.data(2);
    parallel_rows(num_rows(grad_sum), work.width, kBlockRows, [&](int64_t begin, int64_t end) {
      row_kernels().add_norm_gradient(work, begin, end);
    });
    return {grad_sum,
            grad_branch,
            with_branch_bias ? sums.total(2) : at::Tensor(),
            {},
            sums.total(0),
            with_bias ? sums.total(1) : at::Tensor(),
            {},
            {}};
  }

 private:
  // Returns the gradients if none came through the norm.
  static variable_list carry_alone(const at::Tensor& grad, bool with_branch_bias,
                                   const DropoutDraw& dropout) {
    if (!grad.defined()) return {{}, {}, {}, {}, {}, {}, {}, {}};
    const at::Tensor grad_branch =
        dropout.probability > 0.0 ? masked(grad.contiguous(), dropout) : grad;
    at::Tensor grad_branch_bias_W;
    if (with_branch_bias) {
      grad_branch_bias_W = grad_branch.reshape({-1, grad_branch.size(-1)}).sum(0);
    }
    return {grad, grad_branch, grad_branch_bias_W, {}, {}, {}, {}, {}};
  }
};

class BiasGelu : public torch::autograd::Function<BiasGelu> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& bias_W,
                            bool by_tanh) {
    at::Tensor y = at::empty_like(x);
    const BiasGeluRows work{.width = x.size(-1),
                            .kind = by_tanh ? GeluKind::kTanh : GeluKind::kErf,
                            .x_NW = x.const_data_ptr<float>(),
                            .bias_W = bias_W.const_data_ptr<float>(),
                            .y_NW = y.mutable_data_ptr<float>()};
    parallel_rows(num_rows(x), work.width, kBlockRows,
                  [&](int64_t begin, int64_t end) { row_kernels().bias_gelu(work, begin, end); });
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
  return AddNorm::apply(residual, branch, branch_bias_W, dropout, layer.weight_W,
                        if_defined(layer.bias_W), layer.epsilon, layer.kind == NormKind::kLayer);
}

}  // namespace

bool has_own_kernels(const at::Tensor& x, Kernels kernels) {
  return kernels == Kernels::kFused && x.device().is_cpu() && x.scalar_type() == at::kFloat &&
         !at::autocast::is_autocast_enabled(at::kCPU);
}

Norm apply_norm(const at::Tensor& x, const NormLayer& layer, Kernels kernels) {
  if (!norms_by_own_kernels(x, layer, kernels)) return plain_norm(x, layer);
  const auto results = add_norm(x, std::nullopt, std::nullopt, DropoutDraw{}, layer);
  return {results[0], x.detach(), results[1], layer};
}

at::Tensor norm_again(const at::Tensor& input, const at::Tensor& statistics_2N,
                      const at::Tensor& weight_W, const at::Tensor& bias_W) {
  const int64_t rows = num_rows(input);
  at::Tensor norm_NW = at::empty({rows, input.size(-1)}, input.options());
  const NormRows work{.width = input.size(-1),
                      .sum_NW = input.const_data_ptr<float>(),
                      .mean_N = statistics_2N.const_data_ptr<float>(),
                      .rstd_N = statistics_2N.const_data_ptr<float>() + rows,
                      .weight_W = weight_W.const_data_ptr<float>(),
                      .bias_W = bias_W.defined() ? bias_W.const_data_ptr<float>() : nullptr,
                      .norm_NW = norm_NW.mutable_data_ptr<float>()};
  parallel_rows(rows, work.width, kBlockRows,
                [&](int64_t begin, int64_t end) { row_kernels().norm(work, begin, end); });
  return norm_NW;
}

at::Tensor bias_gelu_gradient(const at::Tensor& x, const at::Tensor& bias_W, GeluKind kind,
                              const at::Tensor& grad_y, const at::Tensor& grad_x,
                              const at::Tensor& y) {
  PartialSums sums(x, 1);
  const BiasGeluGradientRows work{.width = x.size(-1),
                                  .kind = kind,
                                  .x_NW = x.const_data_ptr<float>(),
                                  .bias_W = bias_W.const_data_ptr<float>(),
                                  .grad_y_NW = grad_y.const_data_ptr<float>(),
                                  .grad_x_NW = grad_x.mutable_data_ptr<float>(),
                                  .grad_bias_CW = sums.data(0),
                                  .y_NW = y.defined() ? y.mutable_data_ptr<float>() : nullptr};
  parallel_rows(num_rows(x), work.width, kBlockRows, [&](int64_t begin, int64_t end) {
    row_kernels().bias_gelu_gradient(work, begin, end);
  });
  return sums.total(0);
}

SumAndNorm add_and_norm(const at::Tensor& residual, const Branch& branch, const NormLayer& layer,
                        Kernels kernels) {
  const bool with_bias = branch.bias_W.defined();
  const bool own = norms_by_own_kernels(residual, layer, kernels) && is_matrix(branch.value) &&
                   branch.value.sizes() == residual.sizes() &&
                   (!with_bias || fits(branch.bias_W, residual)) &&
                   branch.dropout.probability < 1.0;
  if (!own) {
    const at::Tensor added = with_bias ? branch.value + branch.bias_W : branch.value;
    const at::Tensor sum = residual + composed_dropout(added, branch.dropout);
    return {sum, plain_norm(sum, layer)};
  }
  const auto results =
      add_norm(residual, branch.value, if_defined(branch.bias_W), branch.dropout, layer);
  const at::Tensor& sum = results[2];
  return {sum, {results[0], sum.detach(), results[1], layer}};
}

at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias_W, GeluKind kind,
                     Kernels kernels) {
  const bool by_tanh = kind == GeluKind::kTanh;
  if (runs_own_kernels(x, {bias_W}, kernels)) return BiasGelu::apply(x, bias_W, by_tanh);
  return at::gelu(x + bias_W, by_tanh ? "tanh" : "none");
}

}  // namespace apollo
