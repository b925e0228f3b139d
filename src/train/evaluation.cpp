#include "train/evaluation.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/progress.h"
#include "base/stop_signal.h"

namespace apollo {
namespace {

struct BatchSums {
  double log_probability = 0.0;
  double num_top = 0.0;
  double num_targets = 0.0;
};
// How many numbers a batch adds: the three of BatchSums and its FLOPs.
constexpr int64_t kNumbers = 4;

BatchSums sums_of(const TargetScores& scores) {
  return {scores.log_probability_M.sum().item<double>(),
          static_cast<double>(scores.is_top_M.sum().item<int64_t>()),
          static_cast<double>(scores.log_probability_M.numel())};
}

// Batch k is number k / N of worker k mod N; the numbers arrive worker by worker.
std::vector<double> in_order_of_text(const std::vector<double>& by_worker, int64_t num_batches,
                                     int64_t num_workers) {
  std::vector<double> ordered(by_worker.size());
  int64_t place = 0;
  for (int64_t rank = 0; rank < num_workers; ++rank) {
    for (int64_t k = rank; k < num_batches; k += num_workers, ++place) {
      std::copy_n(by_worker.begin() + place * kNumbers, kNumbers, ordered.begin() + k * kNumbers);
    }
  }
  return ordered;
}

// Returns numbers `begin` to `end` of `count` sequences that are spread evenly among `all`.
std::vector<int64_t> spread(int64_t begin, int64_t end, int64_t count, int64_t all) {
  std::vector<int64_t> numbers;
  for (int64_t i = begin; i < end; ++i)
    numbers.push_back(static_cast<int64_t>(static_cast<__int128>(i) * all / count));
  return numbers;
}

EvaluationResult total_of(const std::vector<double>& sums) {
  EvaluationResult result;
  double log_probability = 0.0;
  double num_top = 0.0;
  double num_targets = 0.0;
  for (size_t i = 0; i < sums.size(); i += kNumbers) {
    log_probability += sums[i];
    num_top += sums[i + 1];
    num_targets += sums[i + 2];
    result.flops += sums[i + 3];
  }
  result.loss = -log_probability / num_targets;
  result.accuracy = num_top / num_targets;
  result.num_targets = static_cast<int64_t>(num_targets);
  return result;
}

}  // namespace

EvaluationResult evaluate(const LanguageModel& model, int64_t depth, const Batches& data,
                          const EvaluationOptions& options) {
  const at::NoGradGuard no_grad;
  const ModelShape& shape = model.spec().shape;
  int64_t sequences = data.num_sequences();
  if (options.max_tokens > 0) {
    sequences = std::min(sequences, (options.max_tokens + shape.context - 1) / shape.context);
  }
  const int64_t num_batches = (sequences + options.batch_size - 1) / options.batch_size;
  const int64_t num_workers = options.workers != nullptr ? options.workers->size() : 1;
  const int64_t rank = options.workers != nullptr ? options.workers->rank() : 0;
  const LayerMap blocks = model.blocks(depth);
  Progress progress("evaluate", static_cast<double>(sequences * shape.context), "tokens");
  std::vector<double> sums;
  for (int64_t k = rank; k < num_batches; k += num_workers) {
    if (num_workers == 1) throw_if_stopped();
    const int64_t first = k * options.batch_size;
    TokenBatch batch;
    data.fill_sequences(spread(first, std::min(first + options.batch_size, sequences), sequences,
                               data.num_sequences()),
                        batch);
    const BatchSums own =
        sums_of(model.score_targets(to_device(batch, model.device()), blocks, options.pass));
    sums.insert(sums.end(), {own.log_probability, own.num_top, own.num_targets,
                             forward_flops(shape, depth, batch.rows, shape.context,
                                           static_cast<int64_t>(own.num_targets))});
    if (options.show_progress) {
      progress.update(static_cast<double>((first + batch.rows) * shape.context));
    }
  }
  if (num_workers > 1)
    sums = in_order_of_text(options.workers->gather(sums), num_batches, num_workers);
  return total_of(sums);
}

double perplexity(double loss) {
  return std::exp(std::min(loss, 700.0));
}

double bits_per_byte(double loss, int64_t num_tokens, int64_t text_bytes) {
  return loss / std::numbers::ln2 * static_cast<double>(num_tokens) /
         static_cast<double>(text_bytes);
}

}  // namespace apollo
