#include "ops/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/triu.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <limits>
#include <new>
#include <optional>
#include <vector>

#include "ops/dropout.h"
#include "ops/elementwise.h"
#include "ops/parallel_rows.h"
#include "ops/row_kernels.h"

namespace apollo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor plain_attention(const at::Tensor& q_BHTK, const at::Tensor& k_BHTK,
                           const at::Tensor& v_BHTK, bool causal, const at::Tensor& visible_B1TT,
                           const DropoutDraw& dropout) {
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
  return at::matmul(composed_dropout(at::softmax(scores_BHTT, -1), dropout), v_BHTK);
}

at::Tensor composed_attention(const at::Tensor& qkv_BTX, const AttentionPattern& pattern,
                              const DropoutDraw& dropout, Kernels kernels) {
  const int64_t batch = qkv_BTX.size(0);
  const int64_t length = qkv_BTX.size(1);
  const int64_t width = qkv_BTX.size(2) / 3;
  // Apart by unbind, whose gradient is one tensor: those of three slices would each be as large as
  // qkv, zeros but for a third, and be added up.
  const std::vector<at::Tensor> parts_BTHK =
      qkv_BTX.reshape({batch, length, 3, pattern.heads, width / pattern.heads}).unbind(2);
  const at::Tensor q_BHTK = parts_BTHK[0].transpose(1, 2);
  const at::Tensor k_BHTK = parts_BTHK[1].transpose(1, 2);
  const at::Tensor v_BHTK = parts_BTHK[2].transpose(1, 2);
  at::Tensor mixed_BHTK;
  const bool needs_key = dropout.probability > 0.0 && qkv_BTX.device().is_cpu();
  if (kernels == Kernels::kReference || needs_key) {
    mixed_BHTK =
        plain_attention(q_BHTK, k_BHTK, v_BHTK, pattern.causal, pattern.visible_B1TT, dropout);
  } else {
    std::optional<at::Tensor> mask;
    if (pattern.visible_B1TT.defined()) mask = pattern.visible_B1TT;
    mixed_BHTK = at::scaled_dot_product_attention(q_BHTK, k_BHTK, v_BHTK, mask, dropout.probability,
                                                  pattern.causal);
  }
  return mixed_BHTK.transpose(1, 2).reshape({batch, length, width});
}

// Memory of one thread's loop, aligned for whole vectors.
class AlignedFloats {
 public:
  explicit AlignedFloats(int64_t count)
      : data_(static_cast<float*>(
            ::operator new(static_cast<size_t>(count) * sizeof(float), kAlignment))) {}
  ~AlignedFloats() { ::operator delete(data_, kAlignment); }
  AlignedFloats(const AlignedFloats&) = delete;
  AlignedFloats& operator=(const AlignedFloats&) = delete;

  float* data() { return data_; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  float* data_;
};

// body(begin, end, scratch) for ranges of the B * H heads, each head by one thread.
template <class Body>
void for_heads(const AttentionHeads& heads, int64_t batch, const Body& body) {
  const int64_t work_of_a_head = heads.length * heads.length * heads.head_width;
  parallel_rows(batch * heads.num_heads, work_of_a_head, /*block=*/1,
                [&](int64_t begin, int64_t end) {
                  AlignedFloats scratch(attention_scratch_size(heads.length, heads.head_width));
                  body(begin, end, scratch.data());
                });
}

AttentionHeads heads_of(const at::Tensor& qkv_BTX, int64_t num_heads, bool causal,
                        const at::Tensor& visible_B1TT, const DropoutDraw& dropout,
                        const at::Tensor& mixed_BTW, const at::Tensor& log_sums_BHT) {
  AttentionHeads heads{};
  heads.length = qkv_BTX.size(1);
  heads.num_heads = num_heads;
  heads.head_width = qkv_BTX.size(2) / 3 / num_heads;
  heads.causal = causal;
  if (visible_B1TT.defined()) heads.visible_BTT = visible_B1TT.const_data_ptr<bool>();
  heads.dropout = dropout;
  heads.qkv_BT3HK = qkv_BTX.const_data_ptr<float>();
  heads.mixed_BTHK = mixed_BTW.mutable_data_ptr<float>();
  heads.log_sums_BHT = log_sums_BHT.mutable_data_ptr<float>();
  return heads;
}

class Attention : public torch::autograd::Function<Attention> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv_BTX, int64_t num_heads,
                            bool causal, const std::optional<at::Tensor>& visible_B1TT,
                            const DropoutDraw& dropout) {
    const int64_t batch = qkv_BTX.size(0);
    const int64_t length = qkv_BTX.size(1);
    at::Tensor mixed_BTW = at::empty({batch, length, qkv_BTX.size(2) / 3}, qkv_BTX.options());
    const at::Tensor log_sums_BHT = at::empty({batch, num_heads, length}, qkv_BTX.options());
    const at::Tensor visible = visible_B1TT.value_or(at::Tensor());
    const AttentionHeads heads =
        heads_of(qkv_BTX, num_heads, causal, visible, dropout, mixed_BTW, log_sums_BHT);
    for_heads(heads, batch, [&](int64_t begin, int64_t end, float* scratch) {
      row_kernels().attention.attention(heads, begin, end, scratch);
    });
    context->save_for_backward({qkv_BTX, mixed_BTW, log_sums_BHT, visible});
    context->saved_data["causal"] = causal;
    save_draw(*context, dropout);
    return mixed_BTW;
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& qkv_BTX = saved[0];
    const at::Tensor grad_BTW = grad_outputs[0].contiguous();
    const at::Tensor grad_qkv_BTX = at::empty_like(qkv_BTX);
    const AttentionGradientHeads heads{
        .forward = heads_of(qkv_BTX, saved[2].size(1), context->saved_data["causal"].toBool(),
                            saved[3], saved_draw(*context), saved[1], saved[2]),
        .grad_mixed_BTHK = grad_BTW.const_data_ptr<float>(),
        .grad_qkv_BT3HK = grad_qkv_BTX.mutable_data_ptr<float>()};
    for_heads(heads.forward, qkv_BTX.size(0), [&](int64_t begin, int64_t end, float* scratch) {
      row_kernels().attention.attention_gradient(heads, begin, end, scratch);
    });
    return {grad_qkv_BTX, {}, {}, {}, {}};
  }
};

bool runs_own_kernels(const at::Tensor& qkv_BTX, const AttentionPattern& pattern,
                      const DropoutDraw& dropout, Kernels kernels) {
  const at::Tensor& visible = pattern.visible_B1TT;
  return has_own_kernels(qkv_BTX, kernels) && dropout.probability < 1.0 &&
         qkv_BTX.is_contiguous() && qkv_BTX.numel() > 0 && !(pattern.causal && visible.defined()) &&
         (!visible.defined() ||
          (visible.scalar_type() == at::kBool && visible.is_contiguous() &&
           visible.sizes() ==
               at::IntArrayRef({qkv_BTX.size(0), 1, qkv_BTX.size(1), qkv_BTX.size(1)})));
}

}  // namespace

at::Tensor multi_head_attention(const at::Tensor& qkv_BTX, const AttentionPattern& pattern,
                                const DropoutDraw& dropout, Kernels kernels) {
  if (!runs_own_kernels(qkv_BTX, pattern, dropout, kernels)) {
    return composed_attention(qkv_BTX, pattern, dropout, kernels);
  }
  std::optional<at::Tensor> visible;
  if (pattern.visible_B1TT.defined()) visible = pattern.visible_B1TT;
  return Attention::apply(qkv_BTX, pattern.heads, pattern.causal, visible, dropout);
}

}  // namespace apollo
