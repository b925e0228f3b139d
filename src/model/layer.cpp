#include "model/layer.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/dropout.h>

#include "base/error.h"
#include "ops/attention.h"

namespace apollo {

at::Tensor linear_in_out(const at::Tensor& x_BTW, const at::Tensor& weight,
                         const at::Tensor& bias) {
  const int64_t batch = x_BTW.size(0);
  const int64_t length = x_BTW.size(1);
  const at::Tensor rows = x_BTW.reshape({batch * length, x_BTW.size(2)});
  return at::addmm(bias, rows, weight).view({batch, length, weight.size(1)});
}

at::Tensor multi_head_attention(const at::Tensor& qkv_BTX, const AttentionPattern& pattern,
                                double dropout, Kernels kernels) {
  const int64_t batch = qkv_BTX.size(0);
  const int64_t length = qkv_BTX.size(1);
  const int64_t width = qkv_BTX.size(2) / 3;
  const int64_t heads = pattern.heads;
  const auto part = [&](int64_t i) {
    return qkv_BTX.narrow(2, i * width, width)
        .view({batch, length, heads, width / heads})
        .transpose(1, 2);
  };
  const at::Tensor mixed_BHTK =
      attention(part(0), part(1), part(2), pattern.causal, pattern.visible_B1TT, dropout, kernels);
  return mixed_BHTK.transpose(1, 2).reshape({batch, length, width});
}

void check_length(const ModelSpec& spec, int64_t length) {
  if (length <= spec.shape.context) return;
  fail<UsageError>("a sequence of {} tokens does not fit the context of {}", length,
                   spec.shape.context);
}

at::Tensor apply_dropout(const at::Tensor& x, double dropout, const PassOptions& options) {
  if (!options.training || dropout == 0.0) return x;
  return at::dropout(x, dropout, /*train=*/true);
}

}  // namespace apollo
