#include "ops/linear_cross_entropy.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "ops/gradient_buffer.h"
#include "ops/matmul.h"
#include "ops/mixed_precision.h"
#include "ops/parallel_rows.h"
#include "ops/row_tensors.h"

namespace apollo {
namespace {

// This is 8 MB of logits for usual vocabularies, in bf16 of twice as many. A matrix product packs
// the weight again for every chunk. At 64 rows of 8192 logits that costs the three products a
// quarter of their speed, at 256 rows a twentieth. Leaving the second-level cache costs less.
constexpr int64_t kChunkElements = 1 << 21;
// A GPU needs more work at once, and half a gigabyte of logits is little for it.
constexpr int64_t kDeviceChunkElements = 1 << 27;

bool is_in_bf16(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16;
}

int64_t chunk_rows(int64_t vocab_size, const at::Tensor& x_MW) {
  if (!x_MW.device().is_cpu()) return std::max<int64_t>(kDeviceChunkElements / vocab_size, 128);
  const int64_t elements = kChunkElements * (is_in_bf16(x_MW) ? 2 : 1);
  return std::clamp<int64_t>(elements / vocab_size, 128, 4096);
}

// Returns the layer in the precision of the rows.
OutputLayer in_precision_of(const at::Tensor& x_MW, const OutputLayer& output) {
  if (in_mixed_precision() && !at::GradMode::is_enabled()) {
    return {weight_as_read(output.weight_VW, x_MW),
            output.bias_V.defined() ? weight_as_read(output.bias_V, x_MW) : at::Tensor()};
  }
  OutputLayer cast{output.weight_VW.to(x_MW.scalar_type()), output.bias_V};
  if (cast.bias_V.defined()) cast.bias_V = cast.bias_V.to(x_MW.scalar_type());
  return cast;
}

// Returns the logits [C, V] of rows [begin, end).
at::Tensor chunk_logits(const at::Tensor& x_MW, const OutputLayer& output, int64_t begin,
                        int64_t end) {
  const at::Tensor x_CW = x_MW.slice(0, begin, end);
  if (!output.bias_V.defined()) return matrix_product(x_CW, output.weight_VW.t());
  return matrix_product_with_bias(output.bias_V, x_CW, output.weight_VW.t());
}

// Returns the log-probabilities [C, V] in float32 of rows [begin, end).
at::Tensor chunk_log_softmax(const at::Tensor& x_MW, const OutputLayer& output, int64_t begin,
                             int64_t end) {
  return at::_log_softmax(chunk_logits(x_MW, output, begin, end).to(at::kFloat), 1,
                          /*half_to_float=*/false);
}

at::Tensor chunk_targets(const at::Tensor& targets_M, int64_t begin, int64_t end) {
  return targets_M.slice(0, begin, end).unsqueeze(1);
}

struct LossAndGradient {
  at::Tensor loss_C;
  at::Tensor grad_logits_CV;  // softmax - one_hot(target), of the logits' type
};

// Uses ATen, whose passes over the logits are bound by memory traffic. So the gradient is formed in
// the precision in which the products read it.
LossAndGradient composed_loss_and_gradient(const at::Tensor& logits_CV,
                                           const at::Tensor& targets_C1) {
  const at::Tensor log_p_CV =
      at::_log_softmax(logits_CV.to(at::kFloat), 1, /*half_to_float=*/false);
  const at::Tensor log_p_C1 = log_p_CV.gather(1, targets_C1);
  at::Tensor grad_CV = log_p_CV;
  if (logits_CV.scalar_type() == at::kFloat) {
    grad_CV.exp_();
  } else {
    grad_CV = at::empty_like(logits_CV);
    at::exp_out(grad_CV, log_p_CV);
  }
  // The targets' p - 1, which rounding would spoil if p is near 1.
  grad_CV.scatter_(1, targets_C1, log_p_C1.expm1().to(grad_CV.scalar_type()));
  return {-log_p_C1.squeeze(1), grad_CV};
}

// Computes loss and gradient, overwriting the logits.
LossAndGradient loss_and_gradient(const at::Tensor& logits_CV, const at::Tensor& targets_C1) {
  if (!logits_CV.device().is_cpu()) return composed_loss_and_gradient(logits_CV, targets_C1);
  const at::Tensor grad_CV =
      (is_in_bf16(logits_CV) ? logits_CV : logits_CV.to(at::kFloat)).contiguous();
  const at::Tensor loss_C = at::empty({grad_CV.size(0)}, grad_CV.options().dtype(at::kFloat));
  const at::Tensor dense_targets = targets_C1.contiguous();
  with_element_of(grad_CV, [&]<class T>(T) {
    const CrossEntropyRows<T> work{.width = grad_CV.size(1),
                                   .target_N = data_of<const int64_t>(dense_targets),
                                   .logits_NV = data_of<T>(grad_CV),
                                   .loss_N = data_of<float>(loss_C)};
    parallel_rows(grad_CV.size(0), work.width, /*block=*/1, [&](int64_t begin, int64_t end) {
      element_kernels<T>().cross_entropy(work, begin, end);
    });
  });
  return {loss_C, grad_CV};
}

// Checks the targets, because the kernels write where a target points.
void check_targets(const at::Tensor& targets_M, int64_t vocab_size) {
  if (targets_M.lt(0).logical_or(targets_M.ge(vocab_size)).any().item<bool>()) {
    fail<UsageError>("a target is not in the vocabulary of {} tokens", vocab_size);
  }
}

class LinearCrossEntropy : public torch::autograd::Function<LinearCrossEntropy> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x_MW,
                            const at::Tensor& weight_VW, const std::optional<at::Tensor>& bias_V,
                            const at::Tensor& targets_M) {
    const int64_t rows = x_MW.size(0);
    const int64_t step = chunk_rows(weight_VW.size(0), x_MW);
    if (x_MW.device().is_cpu()) check_targets(targets_M, weight_VW.size(0));
    const OutputLayer output = in_precision_of(x_MW, {weight_VW, bias_V.value_or(at::Tensor())});
    at::Tensor loss = at::zeros({}, x_MW.options().dtype(at::kFloat));
    const at::Tensor grad_x_MW = at::empty_like(x_MW);
    at::Tensor grad_weight_VW = at::zeros_like(weight_VW);
    at::Tensor grad_bias_V;
    if (bias_V) grad_bias_V = at::zeros_like(*bias_V);
    for (int64_t begin = 0; begin < rows; begin += step) {
      const int64_t end = std::min(begin + step, rows);
      const at::Tensor targets = chunk_targets(targets_M, begin, end);
      const auto [loss_C, grad_logits_CV] =
          loss_and_gradient(chunk_logits(x_MW, output, begin, end), targets);
      loss += loss_C.sum();
      if (grad_bias_V.defined())
        grad_bias_V += grad_logits_CV.sum(0, /*keepdim=*/false, at::kFloat);
      const at::Tensor grad_CV = grad_logits_CV.to(x_MW.scalar_type());
      grad_x_MW.slice(0, begin, end).copy_(matrix_product(grad_CV, output.weight_VW));
      if (grad_CV.scalar_type() == grad_weight_VW.scalar_type() || grad_CV.device().is_cpu()) {
        add_matrix_product(grad_weight_VW, grad_CV.t(), x_MW.slice(0, begin, end));
      } else {
        grad_weight_VW += matrix_product(grad_CV.t(), x_MW.slice(0, begin, end));
      }
    }
    context->save_for_backward({grad_x_MW, grad_weight_VW, grad_bias_V, weight_VW});
    return loss;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& factor = grad_outputs[0];
    at::Tensor grad_weight_VW;
    if (at::Tensor grad = gradient_buffer(saved[3]); grad.defined()) {
      grad.addcmul_(saved[1], factor);
    } else {
      grad_weight_VW = saved[1] * factor;
    }
    return {saved[0] * factor.to(saved[0].scalar_type()), grad_weight_VW,
            saved[2].defined() ? saved[2] * factor : at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor linear_cross_entropy(const at::Tensor& x_MW, const OutputLayer& output,
                                const at::Tensor& targets_M, Kernels kernels) {
  if (!at::GradMode::is_enabled()) {
    return -linear_target_scores(x_MW, output, targets_M).log_probability_M.sum();
  }
  if (kernels == Kernels::kFused) {
    std::optional<at::Tensor> bias_V;
    if (output.bias_V.defined()) bias_V = output.bias_V;
    return LinearCrossEntropy::apply(x_MW, output.weight_VW, bias_V, targets_M);
  }
  const at::Tensor logits_MV = chunk_logits(x_MW, in_precision_of(x_MW, output), 0, x_MW.size(0));
  const at::Tensor log_p_MV = at::log_softmax(logits_MV, 1, at::kFloat);
  return -log_p_MV.gather(1, targets_M.unsqueeze(1)).sum();
}

TargetScores linear_target_scores(const at::Tensor& x_MW, const OutputLayer& output,
                                  const at::Tensor& targets_M) {
  const at::NoGradGuard no_grad;
  const int64_t rows = x_MW.size(0);
  const int64_t step = chunk_rows(output.weight_VW.size(0), x_MW);
  const OutputLayer cast = in_precision_of(x_MW, output);
  const TargetScores scores{at::empty({rows}, x_MW.options().dtype(at::kFloat)),
                            at::empty({rows}, x_MW.options().dtype(at::kBool))};
  for (int64_t begin = 0; begin < rows; begin += step) {
    const int64_t end = std::min(begin + step, rows);
    const at::Tensor log_p_CV = chunk_log_softmax(x_MW, cast, begin, end);
    const at::Tensor found_C = log_p_CV.gather(1, chunk_targets(targets_M, begin, end)).squeeze(1);
    scores.log_probability_M.slice(0, begin, end).copy_(found_C);
    scores.is_top_M.slice(0, begin, end).copy_(found_C >= log_p_CV.amax(1));
  }
  return scores;
}

}  // namespace apollo
