#include "train/evaluation.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/progress.h"
#include "base/stop_signal.h"

namespace apollo {

EvaluationResult evaluate(const LanguageModel& model, int64_t depth, const Batches& data,
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
  int64_t num_top = 0;
  int64_t sequences_done = 0;
  for (int64_t first = 0; first < sequences; first += options.batch_size) {
    throw_if_stopped();
    TokenBatch batch;
    data.fill_sequential(first, std::min(options.batch_size, sequences - first), batch);
    const DeviceBatch device_batch = to_device(batch, model.device());
    const TargetScores scores = model.score_targets(device_batch, blocks, options.pass);
    const int64_t num_targets = scores.log_probability_M.numel();
    total -= scores.log_probability_M.sum().item<double>();
    num_top += scores.is_top_M.sum().item<int64_t>();
    result.num_targets += num_targets;
    result.flops += forward_flops(shape, depth, batch.rows, shape.context, num_targets);
    sequences_done += batch.rows;
    if (options.show_progress) {
      progress.update(static_cast<double>(sequences_done * shape.context));
    }
  }
  result.loss = total / static_cast<double>(result.num_targets);
  result.accuracy = static_cast<double>(num_top) / static_cast<double>(result.num_targets);
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
