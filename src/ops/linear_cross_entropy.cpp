#include "ops/linear_cross_entropy.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

namespace apollo {
namespace {

// A chunk of logits that stays in the second-level cache of common processors.
constexpr int64_t kChunkElements = 1 << 19;

int64_t chunk_rows(int64_t vocab_size) {
  return std::clamp<int64_t>(kChunkElements / vocab_size, 16, 4096);
}

// Log-probabilities [C, V] in float32 of rows [begin, end).
at::Tensor chunk_log_softmax(const at::Tensor& x_NW, const at::Tensor& weight_VW, int64_t begin,
                             int64_t end) {
  const at::Tensor logits_CV = at::mm(x_NW.slice(0, begin, end), weight_VW.t());
  return at::_log_softmax(logits_CV.to(at::kFloat), 1, /*half_to_float=*/false);
}

at::Tensor chunk_targets(const at::Tensor& targets_N, int64_t begin, int64_t end) {
  return targets_N.slice(0, begin, end).unsqueeze(1);
}

class LinearCrossEntropy : public torch::autograd::Function<LinearCrossEntropy> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x_NW,
                            const at::Tensor& weight_VW, const at::Tensor& targets_N) {
    const int64_t rows = x_NW.size(0);
    const int64_t step = chunk_rows(weight_VW.size(0));
    const at::Tensor weight = weight_VW.to(x_NW.scalar_type());
    at::Tensor loss = at::zeros({}, x_NW.options().dtype(at::kFloat));
    const at::Tensor grad_x_NW = at::empty_like(x_NW);
    at::Tensor grad_weight_VW = at::zeros_like(weight_VW);
    for (int64_t begin = 0; begin < rows; begin += step) {
      const int64_t end = std::min(begin + step, rows);
      const at::Tensor targets = chunk_targets(targets_N, begin, end);
      at::Tensor p_CV = chunk_log_softmax(x_NW, weight, begin, end);
      loss -= p_CV.gather(1, targets).sum();
      // d loss / d logits = softmax - one_hot(target).
      p_CV.exp_();
      p_CV.scatter_add_(1, targets, at::zeros_like(targets, p_CV.options()) - 1.0);
      const at::Tensor grad_CV = p_CV.to(x_NW.scalar_type());
      grad_x_NW.slice(0, begin, end).copy_(at::mm(grad_CV, weight));
      if (grad_CV.scalar_type() == grad_weight_VW.scalar_type()) {
        grad_weight_VW.addmm_(grad_CV.t(), x_NW.slice(0, begin, end));
      } else {
        grad_weight_VW += at::mm(grad_CV.t(), x_NW.slice(0, begin, end));
      }
    }
    context->save_for_backward({grad_x_NW, grad_weight_VW});
    return loss;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& factor = grad_outputs[0];
    return {saved[0] * factor.to(saved[0].scalar_type()), saved[1] * factor, at::Tensor()};
  }
};

}  // namespace

at::Tensor linear_cross_entropy(const at::Tensor& x_NW, const at::Tensor& weight_VW,
                                const at::Tensor& targets_N, Kernels kernels) {
  if (!at::GradMode::is_enabled()) {
    return -linear_log_probability(x_NW, weight_VW, targets_N).sum();
  }
  if (kernels == Kernels::kFused) {
    return LinearCrossEntropy::apply(x_NW, weight_VW, targets_N);
  }
  const at::Tensor logits_NV = at::linear(x_NW, weight_VW.to(x_NW.scalar_type()));
  const at::Tensor log_p_NV = at::log_softmax(logits_NV, 1, at::kFloat);
  return -log_p_NV.gather(1, targets_N.unsqueeze(1)).sum();
}

at::Tensor linear_log_probability(const at::Tensor& x_NW, const at::Tensor& weight_VW,
                                  const at::Tensor& targets_N) {
  const at::NoGradGuard no_grad;
  const int64_t rows = x_NW.size(0);
  const int64_t step = chunk_rows(weight_VW.size(0));
  const at::Tensor weight = weight_VW.to(x_NW.scalar_type());
  std::vector<at::Tensor> chunks;
  for (int64_t begin = 0; begin < rows; begin += step) {
    const int64_t end = std::min(begin + step, rows);
    const at::Tensor log_p_CV = chunk_log_softmax(x_NW, weight, begin, end);
    chunks.push_back(log_p_CV.gather(1, chunk_targets(targets_N, begin, end)).squeeze(1));
  }
  return at::cat(chunks);
}

}  // namespace apollo
