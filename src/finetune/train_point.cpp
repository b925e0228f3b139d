#include "finetune/train_point.h"

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mse_loss.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/rng.h"
#include "base/stop_signal.h"
#include "ops/dropout.h"
#include "optim/adamw.h"
#include "optim/clip.h"
#include "progressive/lr_curve.h"

namespace apollo {
namespace {

// Returns the classes (int64) or standardised numbers (float32) of the chosen rows.
at::Tensor targets_of(const EncodedRows& rows, const RowBatch& chosen, const TargetScale& scale,
                      at::Device device) {
  const auto count = static_cast<int64_t>(chosen.size());
  const bool regression = rows.classes.empty();
  const at::Tensor targets_B = at::empty({count}, regression ? at::kFloat : at::kLong);
  for (int64_t i = 0; i < count; ++i) {
    const auto row = static_cast<size_t>(chosen[static_cast<size_t>(i)]);
    if (regression) {
      targets_B.mutable_data_ptr<float>()[i] =
          static_cast<float>((rows.numbers[row] - scale.mean) / scale.deviation);
    } else {
      targets_B.mutable_data_ptr<int64_t>()[i] = rows.classes[row];
    }
  }
  return targets_B.to(device);
}

// Returns the mean over the rows.
at::Tensor loss_of(const at::Tensor& logits_BC, const at::Tensor& targets_B) {
  if (targets_B.is_floating_point()) return at::mse_loss(logits_BC.squeeze(1), targets_B);
  return at::cross_entropy_loss(logits_BC, targets_B);
}

double dev_loss(const at::Tensor& logits_NC, const PointTask& task) {
  RowBatch all(static_cast<size_t>(task.dev.size()));
  std::iota(all.begin(), all.end(), int64_t{0});
  return loss_of(logits_NC, targets_of(task.dev, all, task.scale, at::kCPU)).item<double>();
}

double warmup_share(const Duration& warmup, int64_t steps, int64_t epochs) {
  double share = warmup.value / 100.0;
  if (warmup.unit == DurationUnit::kSteps) share = warmup.value / static_cast<double>(steps);
  if (warmup.unit == DurationUnit::kEpochs) share = warmup.value / static_cast<double>(epochs);
  return std::min(share, 1.0);
}

// The state of a run between steps.
class PointTrainer {
 public:
  PointTrainer(SequenceClassifier& classifier, const PointTask& task, const GridPoint& point)
      : classifier_(classifier),
        task_(task),
        point_(point),
        optimizer_({.beta2 = 0.999, .weight_decay = task.config.train.weight_decay}),
        body_state_(optimizer_.fresh_state(classifier.body().parameters())),
        head_state_(optimizer_.fresh_state(classifier.head())),
        num_steps_(num_steps(task, point.epochs)),
        curve_{.kind = LrSchedule::kLinear,
               .peak = point.lr,
               .warmup = warmup_share(task.config.train.warmup, num_steps_, point.epochs)} {}

  // Makes one update and returns the mean loss of the batch. If loss or gradient is not finite,
  // returns nothing and updates nothing.
  std::optional<double> step(const RowBatch& rows) {
    ParameterSet& body = classifier_.body().parameters();
    ParameterSet& head = classifier_.head();
    body.zero_gradients();
    head.zero_gradients();
    const at::Device device = classifier_.body().device();
    const uint64_t dropout_key =
        random_bits(point_.seed, RngStream::kDropout, static_cast<uint64_t>(step_));
    seed_dropout(device, dropout_key);
    const ClassifierBatch batch =
        make_batch(task_.train, rows, task_.padding,
                   objective_of(classifier_.body().spec().shape.architecture), device);
    const at::Tensor loss =
        loss_of(classifier_.logits(batch, {.training = true,
                                           .precision = task_.config.train.precision,
                                           .dropout_key = dropout_key}),
                targets_of(task_.train, rows, task_.scale, device));
    loss.backward();
    const double norm =
        std::hypot(gradient_norm(body.gradients()), gradient_norm(head.gradients()));
    const double value = loss.item<double>();
    if (!std::isfinite(value) || !std::isfinite(norm)) return std::nullopt;
    clip_gradients(body.gradients(), norm, task_.config.train.clip);
    clip_gradients(head.gradients(), norm, task_.config.train.clip);
    // Taken at the middle of the step, so that neither the first nor the last is lost to a rate of
    // zero.
    const double lr =
        curve_.at((static_cast<double>(step_) + 0.5) / static_cast<double>(num_steps_));
    optimizer_.step(body, body_state_, lr);
    optimizer_.step(head, head_state_, lr);
    ++step_;
    return value;
  }

 private:
  SequenceClassifier& classifier_;
  const PointTask& task_;
  GridPoint point_;
  AdamW optimizer_;
  OptimizerState body_state_;
  OptimizerState head_state_;
  int64_t num_steps_;
  LrCurve curve_;
  int64_t step_ = 0;
};

EpochResult evaluate_epoch(const SequenceClassifier& classifier, const PointTask& task,
                           int64_t epoch, double train_loss) {
  const at::Tensor logits_NC =
      predict(classifier, task.dev, task.padding, task.config.train.precision);
  return {epoch, train_loss, dev_loss(logits_NC, task),
          score_logits(logits_NC, task.dev, task.positive_class, task.scale)};
}

}  // namespace

int64_t num_steps(const PointTask& task, int64_t epochs) {
  const int64_t batch_size = task.config.train.batch_size;
  return epochs * ((task.train.size() + batch_size - 1) / batch_size);
}

PointResult train_point(SequenceClassifier& classifier, const PointTask& task,
                        const GridPoint& point, ClassifierWeights& best,
                        const std::function<void(const std::string& note)>& on_step) {
  const auto begin = std::chrono::steady_clock::now();
  PointResult result;
  result.point = point;
  PointTrainer trainer(classifier, task, point);
  for (int64_t epoch = 0; epoch < point.epochs && !result.diverged; ++epoch) {
    double loss_sum = 0.0;
    for (const RowBatch& rows :
         training_batches(task.train, task.config.train.batch_size, point.seed, epoch)) {
      throw_if_stopped();
      const std::optional<double> loss = trainer.step(rows);
      result.diverged = !loss;
      if (!loss) break;
      loss_sum += *loss * static_cast<double>(rows.size());
      on_step(fmt::format("lr {:g}, seed {}, epoch {} of {}, loss {:.3f}", point.lr, point.seed,
                          epoch + 1, point.epochs, *loss));
    }
    if (result.diverged) break;
    EpochResult looked_at = evaluate_epoch(classifier, task, epoch + 1,
                                           loss_sum / static_cast<double>(task.train.size()));
    result.diverged = !std::isfinite(looked_at.dev_loss);
    if (result.diverged) break;
    result.epochs.push_back(std::move(looked_at));
    const double score = score_of(result.epochs.back().scores, task.config.task.metric);
    if (result.best_epoch != 0 && !is_better(task.config.task.metric, score, result.best_score)) {
      continue;
    }
    result.best_epoch = epoch + 1;
    result.best_score = score;
    best = classifier.weights();
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace apollo
