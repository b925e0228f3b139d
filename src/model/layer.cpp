#include "model/layer.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/dropout.h>

#include "ops/attention.h"

namespace apollo {

at::Tensor linear_in_out(const at::Tensor& x_BTW, const at::Tensor& weight,
                         const at::Tensor& bias) {
  const int64_t batch = x_BTW.size(0);
  const int64_t length = x_BTW.size(1);
  const at::Tensor rows = x_BTW.reshape({batch * length, x_BTW.size(2)});
  return at::addmm(bias, rows, weight).view({batch, length, weight.size(1)});
}

at::Tensor multi_head_attention(const at::Tensor& q_BTW, const at::Tensor& k_BTW,
                                const at::Tensor& v_BTW, int64_t heads, bool causal, double dropout,
                                Kernels kernels) {
  const int64_t batch = q_BTW.size(0);
  const int64_t length = q_BTW.size(1);
  const int64_t width = q_BTW.size(2);
  const auto split_heads = [&](const at::Tensor& x_BTW) {
    return x_BTW.view({batch, length, heads, width / heads}).transpose(1, 2);
  };
  const at::Tensor mixed_BHTK = attention(split_heads(q_BTW), split_heads(k_BTW),
                                          split_heads(v_BTW), causal, dropout, kernels);
  return mixed_BHTK.transpose(1, 2).reshape({batch, length, width});
}

at::Tensor apply_dropout(const at::Tensor& x, double dropout, const PassOptions& options) {
  if (!options.training || dropout == 0.0) return x;
  return at::dropout(x, dropout, /*train=*/true);
}

}  // namespace apollo
