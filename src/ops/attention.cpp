#include "ops/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/triu.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <optional>
#include <vector>

#include "ops/dropout.h"
#include "ops/elementwise.h"
#include "ops/parallel_rows.h"
#include "ops/row_tensors.h"

namespace apollo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Returns what each position sees as a mask, [B, 1, T, T] or [T, T]; undefined if the pattern has
// neither a window nor documents.
at::Tensor visible_of(const AttentionPattern& pattern, int64_t length, at::Device device) {
  if (pattern.window == 0 && !pattern.documents_BT.defined()) return {};
  const at::Tensor places_T = at::arange(length, at::TensorOptions(device).dtype(at::kLong));
  const at::Tensor distances_TT = places_T.unsqueeze(1) - places_T.unsqueeze(0);
  const int64_t farthest = pattern.window > 0 ? pattern.window : length;
  at::Tensor visible =
      distances_TT.le(farthest).logical_and_(distances_TT.ge(pattern.causal ? 0 : -farthest));
  if (pattern.documents_BT.defined()) {
    const at::Tensor& numbers_BT = pattern.documents_BT;
    const at::Tensor together_BTT = numbers_BT.unsqueeze(2).eq(numbers_BT.unsqueeze(1));
    visible = together_BTT.unsqueeze(1).logical_and_(visible);
  }
  return visible;
}

// Returns where the document of each position begins and ends in its row, [2, B, T], int32.
at::Tensor document_ranges(const at::Tensor& documents_BT) {
  const int64_t rows = documents_BT.size(0);
  const int64_t length = documents_BT.size(1);
  const at::Tensor ranges_2BT = at::empty({2, rows, length}, at::kInt);
  const auto* numbers = documents_BT.const_data_ptr<int64_t>();
  auto* begins = ranges_2BT.mutable_data_ptr<int32_t>();
  auto* ends = begins + rows * length;
  for (int64_t row = 0; row < rows; ++row, numbers += length, begins += length, ends += length) {
    for (int64_t begin = 0, end = 0; begin < length; begin = end) {
      while (end < length && numbers[end] == numbers[begin])
        ++end;
      std::fill(begins + begin, begins + end, static_cast<int32_t>(begin));
      std::fill(ends + begin, ends + end, static_cast<int32_t>(end));
    }
  }
  return ranges_2BT;
}

at::Tensor plain_attention(const at::Tensor& q_BHTK, const at::Tensor& k_BHTK,
                           const at::Tensor& v_BHTK, bool causal, const at::Tensor& visible,
                           const DropoutDraw& dropout) {
  const int64_t length = q_BHTK.size(2);
  const double scale = 1.0 / std::sqrt(static_cast<double>(q_BHTK.size(3)));
  at::Tensor scores_BHTT = at::matmul(q_BHTK * scale, k_BHTK.transpose(2, 3));
  if (causal) {
    const at::Tensor future_TT =
        at::ones({length, length}, q_BHTK.options().dtype(at::kBool)).triu(1);
    scores_BHTT = scores_BHTT.masked_fill(future_TT, -std::numeric_limits<double>::infinity());
  }
  if (visible.defined()) {
    scores_BHTT =
        scores_BHTT.masked_fill(visible.logical_not(), -std::numeric_limits<double>::infinity());
  }
  return at::matmul(composed_dropout(at::softmax(scores_BHTT, -1), dropout), v_BHTK);
}

int64_t head_width(const at::Tensor& qkv_BTX, const AttentionPattern& pattern) {
  return qkv_BTX.size(2) / (pattern.heads + 2 * pattern.num_kv_heads());
}

// Returns queries, keys and values separately, each [B, heads, T, K].
std::vector<at::Tensor> split_heads(const at::Tensor& qkv_BTX, const AttentionPattern& pattern) {
  const int64_t heads = pattern.heads;
  const int64_t kv_heads = pattern.num_kv_heads();
  const std::vector<int64_t> shape = {qkv_BTX.size(0), qkv_BTX.size(1)};
  const int64_t width = head_width(qkv_BTX, pattern);
  std::vector<at::Tensor> parts;
  if (heads == kv_heads) {
    // unbind has one tensor as its gradient. The gradients of three slices would each be as large
    // as qkv, two thirds of it zeros, and would have to be added.
    parts = qkv_BTX.reshape({shape[0], shape[1], 3, heads, width}).unbind(2);
  } else {
    // The same for parts of different sizes.
    parts = qkv_BTX.reshape({shape[0], shape[1], heads + 2 * kv_heads, width})
                .split_with_sizes({heads, kv_heads, kv_heads}, 2);
  }
  for (at::Tensor& part : parts)
    part = part.transpose(1, 2);
  return parts;
}

at::Tensor composed_attention(const at::Tensor& qkv_BTX, const AttentionPattern& pattern,
                              const DropoutDraw& dropout, Kernels kernels) {
  const std::vector<at::Tensor> parts = split_heads(qkv_BTX, pattern);
  const at::Tensor& q_BHTK = parts[0];
  const int64_t group = pattern.heads / pattern.num_kv_heads();
  const at::Tensor visible = visible_of(pattern, qkv_BTX.size(1), qkv_BTX.device());
  at::Tensor mixed_BHTK;
  const bool needs_key = dropout.probability > 0.0 && qkv_BTX.device().is_cpu();
  if (kernels == Kernels::kReference || needs_key) {
    const auto repeated = [&](const at::Tensor& x_BGTK) {
      return group == 1 ? x_BGTK : x_BGTK.repeat_interleave(group, 1);
    };
    mixed_BHTK = plain_attention(q_BHTK, repeated(parts[1]), repeated(parts[2]), pattern.causal,
                                 visible, dropout);
  } else {
    std::optional<at::Tensor> mask;
    if (visible.defined()) mask = visible;
    mixed_BHTK = at::scaled_dot_product_attention(
        q_BHTK, parts[1], parts[2], mask, dropout.probability, pattern.causal && !visible.defined(),
        /*scale=*/std::nullopt, /*enable_gqa=*/group > 1);
  }
  return mixed_BHTK.transpose(1, 2).reshape({qkv_BTX.size(0), qkv_BTX.size(1), -1});
}

// The memory of one thread's loop, aligned for whole vectors.
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

// Calls body(begin, end, scratch) for ranges of `num_heads` heads; one thread works on each head.
template <class Body>
void for_heads(const AttentionPlan& heads, int64_t num_heads, const Body& body) {
  const int64_t work_of_a_head = heads.length * heads.length * heads.head_width;
  parallel_rows(num_heads, work_of_a_head, /*block=*/1, [&](int64_t begin, int64_t end) {
    AlignedFloats scratch(attention_scratch_size(heads.length, heads.head_width));
    body(begin, end, scratch.data());
  });
}

template <class T>
AttentionHeads<T> heads_of(const at::Tensor& qkv_BTX, const AttentionPattern& pattern,
                           const at::Tensor& ranges_2BT, const DropoutDraw& dropout,
                           const at::Tensor& mixed_BTW, const at::Tensor& log_sums_BHT) {
  AttentionHeads<T> heads{};
  heads.length = qkv_BTX.size(1);
  heads.num_heads = pattern.heads;
  heads.num_kv_heads = pattern.num_kv_heads();
  heads.head_width = head_width(qkv_BTX, pattern);
  heads.causal = pattern.causal;
  heads.window = pattern.window;
  if (ranges_2BT.defined()) {
    heads.document_begins_BT = ranges_2BT.const_data_ptr<int32_t>();
    heads.document_ends_BT = heads.document_begins_BT + ranges_2BT.numel() / 2;
  }
  heads.dropout = dropout;
  heads.qkv_BTX = data_of<const T>(qkv_BTX);
  heads.mixed_BTHK = data_of<T>(mixed_BTW);
  heads.log_sums_BHT = data_of<float>(log_sums_BHT);
  return heads;
}

class Attention : public torch::autograd::Function<Attention> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv_BTX,
                            const AttentionPattern& pattern, const DropoutDraw& dropout) {
    const int64_t batch = qkv_BTX.size(0);
    const int64_t length = qkv_BTX.size(1);
    at::Tensor mixed_BTW =
        at::empty({batch, length, pattern.heads * head_width(qkv_BTX, pattern)}, qkv_BTX.options());
    const at::Tensor log_sums_BHT =
        at::empty({batch, pattern.heads, length}, qkv_BTX.options().dtype(at::kFloat));
    const at::Tensor ranges_2BT = pattern.documents_BT.defined()
                                      ? document_ranges(pattern.documents_BT.contiguous())
                                      : at::Tensor();
    with_element_of(qkv_BTX, [&]<class T>(T) {
      const auto heads =
          heads_of<T>(qkv_BTX, pattern, ranges_2BT, dropout, mixed_BTW, log_sums_BHT);
      for_heads(heads, batch * heads.num_heads, [&](int64_t begin, int64_t end, float* scratch) {
        element_kernels<T>().attention.attention(heads, begin, end, scratch);
      });
    });
    context->save_for_backward({qkv_BTX, mixed_BTW, log_sums_BHT, ranges_2BT});
    context->saved_data["causal"] = pattern.causal;
    context->saved_data["window"] = pattern.window;
    context->saved_data["kv_heads"] = pattern.num_kv_heads();
    save_draw(*context, dropout);
    return mixed_BTW;
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& qkv_BTX = saved[0];
    const AttentionPattern pattern{.heads = saved[2].size(1),
                                   .kv_heads = context->saved_data["kv_heads"].toInt(),
                                   .causal = context->saved_data["causal"].toBool(),
                                   .window = context->saved_data["window"].toInt()};
    const at::Tensor grad_BTW = grad_outputs[0].contiguous();
    const at::Tensor grad_qkv_BTX = at::empty_like(qkv_BTX);
    with_element_of(qkv_BTX, [&]<class T>(T) {
      const AttentionGradientHeads<T> heads{
          .forward =
              heads_of<T>(qkv_BTX, pattern, saved[3], saved_draw(*context), saved[1], saved[2]),
          .grad_mixed_BTHK = data_of<const T>(grad_BTW),
          .grad_qkv_BTX = data_of<T>(grad_qkv_BTX)};
      for_heads(heads.forward, qkv_BTX.size(0) * heads.forward.num_kv_heads,
                [&](int64_t begin, int64_t end, float* scratch) {
                  element_kernels<T>().attention.attention_gradient(heads, begin, end, scratch);
                });
    });
    return {grad_qkv_BTX, {}, {}};
  }
};

bool attends_by_own_kernels(const at::Tensor& qkv_BTX, const DropoutDraw& dropout,
                            Kernels kernels) {
  return has_own_kernels(qkv_BTX, kernels) && dropout.probability < 1.0 &&
         qkv_BTX.is_contiguous() && qkv_BTX.numel() > 0;
}

}  // namespace

at::Tensor multi_head_attention(const at::Tensor& qkv_BTX, const AttentionPattern& pattern,
                                const DropoutDraw& dropout, Kernels kernels) {
  if (!attends_by_own_kernels(qkv_BTX, dropout, kernels)) {
    return composed_attention(qkv_BTX, pattern, dropout, kernels);
  }
  return Attention::apply(qkv_BTX, pattern, dropout);
}

}  // namespace apollo
