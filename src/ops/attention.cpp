#include "ops/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/triu.h>

#include <cmath>
#include <limits>
#include <optional>

namespace apollo {
namespace {

at::Tensor plain_attention(const at::Tensor& q_BHTK, const at::Tensor& k_BHTK,
                           const at::Tensor& v_BHTK, bool causal, const at::Tensor& visible_B1TT,
                           double dropout) {
  const int64_t length = q_BHTK.size(2);
  const double scale = 1.0 / std::sqrt(static_cast<double>(q_BHTK.size(3)));
  at::Tensor scores_BHTT = at::matmul(q_BHTK * scale, k_BHTK.transpose(2, 3));
  if (causal) {
    const at::Tensor future_TT =
        at::ones({length, length}, q_BHTK.options().dtype(at::kBool)).triu(1);
    scores_BHTT = scores_BHTT.masked_fill(future_TT, -std::numeric_limits<double>::infinity());
  }
  if (visible_B1TT.defined()) {
    scores_BHTT = scores_BHTT.masked_fill(visible_B1TT.logical_not(),
                                          -std::numeric_limits<double>::infinity());
  }
  at::Tensor weights_BHTT = at::softmax(scores_BHTT, -1);
  if (dropout > 0) weights_BHTT = at::dropout(weights_BHTT, dropout, /*train=*/true);
  return at::matmul(weights_BHTT, v_BHTK);
}

}  // namespace

at::Tensor attention(const at::Tensor& q_BHTK, const at::Tensor& k_BHTK, const at::Tensor& v_BHTK,
                     bool causal, const at::Tensor& visible_B1TT, double dropout, Kernels kernels) {
  if (kernels == Kernels::kReference) {
    return plain_attention(q_BHTK, k_BHTK, v_BHTK, causal, visible_B1TT, dropout);
  }
  std::optional<at::Tensor> mask;
  if (visible_B1TT.defined()) mask = visible_B1TT;
  return at::scaled_dot_product_attention(q_BHTK, k_BHTK, v_BHTK, mask, dropout, causal);
}

}  // namespace apollo
