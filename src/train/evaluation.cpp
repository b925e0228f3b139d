#include "train/evaluation.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/progress.h"
#include "base/stop_signal.h"

namespace apollo {

DeviceBatch to_device(const TokenBatch& batch, at::Device device) {
  const int64_t length = static_cast<int64_t>(batch.inputs.size()) / batch.rows;
  const auto copy = [&](const std::vector<int64_t>& tokens) {
    // from_blob only looks at the data; the copy below is the tensor's own.
    const at::Tensor view = at::from_blob(const_cast<int64_t*>(tokens.data()), {batch.rows, length},
                                          at::TensorOptions(at::kLong));
    return view.to(at::TensorOptions(device), /*non_blocking=*/false, /*copy=*/true);
  };
  return {copy(batch.inputs), copy(batch.targets)};
}

EvaluationResult evaluate(const LanguageModel& model, int64_t depth, const CausalBatches& data,
                          const EvaluationOptions& options) {
  const at::NoGradGuard no_grad;
  const ModelShape& shape = model.spec().shape;
  int64_t sequences = data.num_sequences();
  if (options.max_tokens > 0) {
    sequences = std::min(sequences, (options.max_tokens + shape.context - 1) / shape.context);
  }
  const LayerMap blocks = model.blocks(depth);
  Progress progress("evaluate", static_cast<double>(sequences * shape.context), "tokens");
  EvaluationResult result;
  double total = 0.0;
  for (int64_t first = 0; first < sequences; first += options.batch_size) {
    throw_if_stopped();
    TokenBatch batch;
    data.fill_sequential(first, std::min(options.batch_size, sequences - first), batch);
    total += model.loss_sum(to_device(batch, model.device()), blocks, options.pass).item<double>();
    result.num_targets += static_cast<int64_t>(batch.targets.size());
    result.flops += forward_flops(shape, depth, batch.rows, shape.context);
    if (options.show_progress) progress.update(static_cast<double>(result.num_targets));
  }
  result.loss = total / static_cast<double>(result.num_targets);
  return result;
}

double perplexity(double loss) {
  return std::exp(std::min(loss, 700.0));
}

double bits_per_byte(double loss, int64_t num_tokens, int64_t text_bytes) {
  return loss / std::numbers::ln2 * static_cast<double>(num_tokens) /
         static_cast<double>(text_bytes);
}

}  // namespace apollo
