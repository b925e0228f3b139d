#include "ops/rotation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/where.h>
#include <torch/csrc/autograd/custom_function.h>

#include <numbers>
#include <optional>
#include <vector>

#include "ops/parallel_rows.h"
#include "ops/row_tensors.h"

namespace apollo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class T>
RotateRows<T> rotate_rows(const at::Tensor& qkv_BTX, int64_t heads, int64_t kv_heads,
                          const at::Tensor& cos_TR, const at::Tensor& sin_TR) {
  RotateRows<T> work{};
  work.length = qkv_BTX.size(1);
  work.query_heads = heads;
  work.key_heads = kv_heads;
  work.head_width = qkv_BTX.size(2) / (heads + 2 * kv_heads);
  work.cos_TR = data_of<const float>(cos_TR);
  work.sin_TR = data_of<const float>(sin_TR);
  return work;
}

class Rotate : public torch::autograd::Function<Rotate> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv_BTX,
                            const std::optional<at::Tensor>& query_weight_K,
                            const std::optional<at::Tensor>& key_weight_K, double epsilon,
                            int64_t heads, int64_t kv_heads, const RotationTable& table) {
    at::Tensor rotated_BTX = at::empty_like(qkv_BTX);
    at::Tensor rstd_NH;
    if (query_weight_K)
      rstd_NH = at::empty({num_rows(qkv_BTX), heads + kv_heads}, qkv_BTX.options());
    with_element_of(qkv_BTX, [&]<class T>(T) {
      auto work = rotate_rows<T>(qkv_BTX, heads, kv_heads, table.cos_TR, table.sin_TR);
      work.qkv_NX = data_of<const T>(qkv_BTX);
      work.rotated_NX = data_of<T>(rotated_BTX);
      work.epsilon = static_cast<float>(epsilon);
      work.query_weight_K = data_of<const float>(query_weight_K.value_or(at::Tensor()));
      work.key_weight_K = data_of<const float>(key_weight_K.value_or(at::Tensor()));
      work.rstd_NH = data_of<float>(rstd_NH);
      parallel_rows(
          num_rows(qkv_BTX), qkv_BTX.size(2), /*block=*/1,
          [&](int64_t begin, int64_t end) { element_kernels<T>().rotate(work, begin, end); });
    });
    context->save_for_backward(
        {query_weight_K ? qkv_BTX : at::Tensor(), query_weight_K.value_or(at::Tensor()),
         key_weight_K.value_or(at::Tensor()), rstd_NH, table.cos_TR, table.sin_TR});
    context->saved_data["heads"] = heads;
    context->saved_data["kv_heads"] = kv_heads;
    return rotated_BTX;
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor grad_BTX = grad_outputs[0].contiguous();
    const at::Tensor grad_qkv_BTX = at::empty_like(grad_BTX);
    const int64_t heads = context->saved_data["heads"].toInt();
    const int64_t kv_heads = context->saved_data["kv_heads"].toInt();
    PartialSums sums(num_rows(grad_BTX), grad_BTX.size(2) / (heads + 2 * kv_heads), 2,
                     saved[4].options());
    const bool with_norms = saved[0].defined();
    with_element_of(grad_BTX, [&]<class T>(T) {
      RotateGradientRows<T> work{};
      work.forward = rotate_rows<T>(grad_BTX, heads, kv_heads, saved[4], saved[5]);
      work.grad_rotated_NX = data_of<const T>(grad_BTX);
      work.grad_qkv_NX = data_of<T>(grad_qkv_BTX);
      if (with_norms) {
        work.forward.qkv_NX = data_of<const T>(saved[0]);
        work.forward.query_weight_K = data_of<const float>(saved[1]);
        work.forward.key_weight_K = data_of<const float>(saved[2]);
        work.forward.rstd_NH = data_of<float>(saved[3]);
        work.grad_query_weight_CK = sums.data(0);
        work.grad_key_weight_CK = sums.data(1);
      }
      parallel_rows(num_rows(grad_BTX), grad_BTX.size(2), kBlockRows,
                    [&](int64_t begin, int64_t end) {
                      element_kernels<T>().rotate_gradient(work, begin, end);
                    });
    });
    at::Tensor grad_query_K, grad_key_K;
    if (with_norms) {
      grad_query_K = sums.total(0);
      grad_key_K = sums.total(1);
    }
    return {grad_qkv_BTX, grad_query_K, grad_key_K, {}, {}, {}, {}};
  }
};

// Returns heads [B, T, H, K], normalised if there is a weight, and rotated.
at::Tensor composed_rotation(const at::Tensor& x_BTHK, const RotationTable& table,
                             const at::Tensor& weight_K, double epsilon) {
  at::Tensor normed = x_BTHK;
  if (weight_K.defined()) {
    normed = at::rms_norm(x_BTHK.to(weight_K.scalar_type()), {x_BTHK.size(3)}, weight_K, epsilon)
                 .to(x_BTHK.scalar_type());
  }
  const std::vector<at::Tensor> halves = normed.chunk(2, -1);
  const at::Tensor cos = table.cos_TR.unsqueeze(1).to(x_BTHK.scalar_type());
  const at::Tensor sin = table.sin_TR.unsqueeze(1).to(x_BTHK.scalar_type());
  return at::cat({halves[0] * cos - halves[1] * sin, halves[1] * cos + halves[0] * sin}, -1);
}

at::Tensor composed_rotation(const at::Tensor& qkv_BTX, int64_t heads, int64_t kv_heads,
                             const RotationTable& table, const HeadNorms& norms) {
  const std::vector<at::Tensor> parts =
      qkv_BTX.reshape({qkv_BTX.size(0), qkv_BTX.size(1), heads + 2 * kv_heads, -1})
          .split_with_sizes({heads, kv_heads, kv_heads}, 2);
  return at::cat({composed_rotation(parts[0], table, norms.query_K, norms.epsilon),
                  composed_rotation(parts[1], table, norms.key_K, norms.epsilon), parts[2]},
                 2)
      .flatten(2, 3);
}

}  // namespace

at::Tensor rotation_frequencies(const Rope& rope, int64_t head_width) {
  const at::Tensor exponents_R =
      at::arange(0, head_width, 2, at::kFloat) / static_cast<double>(head_width);
  const at::Tensor frequencies_R = at::pow(rope.theta, exponents_R).reciprocal();
  if (!rope.scaling) return frequencies_R;
  const RopeScaling& scaling = *rope.scaling;
  const auto context = static_cast<double>(scaling.original_context);
  const double longest = context / scaling.low_freq_factor;
  const double shortest = context / scaling.high_freq_factor;
  const at::Tensor wavelengths_R = frequencies_R.reciprocal() * (2.0 * std::numbers::pi);
  const at::Tensor divided_R = frequencies_R / scaling.factor;
  const at::Tensor share_R = (wavelengths_R.reciprocal() * context - scaling.low_freq_factor) /
                             (scaling.high_freq_factor - scaling.low_freq_factor);
  const at::Tensor between_R =
      (1.0 - share_R) * frequencies_R / scaling.factor + share_R * frequencies_R;
  const at::Tensor is_low_R = wavelengths_R > longest;
  return at::where(is_low_R, divided_R,
                   at::where(wavelengths_R < shortest, frequencies_R, between_R));
}

RotationTable rotation_table(const at::Tensor& frequencies_R, int64_t first, int64_t length) {
  const at::Tensor positions_T =
      at::arange(first, first + length, frequencies_R.options().dtype(at::kFloat));
  const at::Tensor angles_TR = positions_T.unsqueeze(1) * frequencies_R.unsqueeze(0);
  return {at::cos(angles_TR), at::sin(angles_TR)};
}

at::Tensor rotate_queries_and_keys(const at::Tensor& qkv_BTX, int64_t heads, int64_t kv_heads,
                                   const RotationTable& table, const HeadNorms& norms,
                                   Kernels kernels) {
  const bool with_norms = norms.query_K.defined();
  const bool own = runs_own_kernels(qkv_BTX, {}, kernels) && is_dense_float(table.cos_TR) &&
                   is_dense_float(table.sin_TR) &&
                   (!with_norms || (is_dense_float(norms.query_K) && is_dense_float(norms.key_K)));
  // The kernel's norm keeps in its result what its gradient reads again, which bf16 would round.
  if (own && with_norms && qkv_BTX.scalar_type() == at::kBFloat16) {
    return rotate_queries_and_keys(qkv_BTX.to(at::kFloat), heads, kv_heads, table, norms, kernels)
        .to(at::kBFloat16);
  }
  if (!own) return composed_rotation(qkv_BTX, heads, kv_heads, table, norms);
  std::optional<at::Tensor> query_weight_K, key_weight_K;
  if (with_norms) {
    query_weight_K = norms.query_K;
    key_weight_K = norms.key_K;
  }
  return Rotate::apply(qkv_BTX, query_weight_K, key_weight_K, norms.epsilon, heads, kv_heads,
                       table);
}

}  // namespace apollo
