#include "train/learn_growth.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/stop_signal.h"
#include "model/growth_operators.h"
#include "optim/adamw.h"
#include "optim/clip.h"
#include "train/train_step.h"

namespace apollo {
namespace {

// Returns the mean loss of the batch and leaves its gradients in `model`.
double loss_and_gradients(LanguageModel& model, const TokenBatch& batch, const RunConfig& config) {
  PassOptions pass = make_pass_options(config, /*training=*/true);
  pass.recompute = config.train.recompute == Recompute::kAll;
  model.parameters().zero_gradients();
  const auto num_targets = static_cast<double>(count_targets(batch));
  double loss = 0.0;
  for (int64_t first = 0; first < batch.rows; first += config.train.micro_batch_size) {
    const int64_t rows = std::min(config.train.micro_batch_size, batch.rows - first);
    const DeviceBatch part = to_device(batch, first, rows, model.device());
    const at::Tensor part_loss =
        model.loss_sum(part, model.blocks(model.num_layers()), pass) / num_targets;
    part_loss.backward();
    loss += part_loss.item<double>();
  }
  return loss;
}

void set_values(LanguageModel& model, const at::Tensor& values) {
  const at::NoGradGuard no_grad;
  model.parameters().values().copy_(values);
}

}  // namespace

std::unique_ptr<LanguageModel> learn_growth(const LanguageModel& source, const ModelSpec& spec,
                                            const LayerMap& layers, const Batches& batches,
                                            const RunConfig& config) {
  ModelSpec without_dropout = spec;
  without_dropout.dropout = 0.0;
  auto model = make_model(without_dropout, static_cast<int64_t>(layers.size()), source.device());
  GrowthOperators operators(source, spec, layers, config.run.seed);
  ParameterSet& learned = operators.parameters();
  const AdamW optimizer({config.train.betas.at(0), config.train.betas.at(1), config.train.epsilon,
                         /*weight_decay=*/0.0});
  OptimizerState moments = optimizer.fresh_state(learned);
  const int64_t num_steps = config.progressive.source_steps;
  Progress progress("learning to grow", static_cast<double>(num_steps), "steps");
  double first_loss = 0.0, loss = 0.0;
  for (int64_t step = 0; step < num_steps; ++step) {
    throw_if_stopped();
    progress.update(static_cast<double>(step));
    TokenBatch batch;
    batches.fill_train(step * config.train.batch_size, config.train.batch_size, batch);
    const at::Tensor grown = operators.expand();
    set_values(*model, grown);
    loss = loss_and_gradients(*model, batch, config);
    if (step == 0) first_loss = loss;
    learned.zero_gradients();
    (grown * model->parameters().gradients()).sum().backward();
    const double norm = gradient_norm(learned.gradients());
    if (!std::isfinite(loss) || !std::isfinite(norm)) {
      fail<DivergedError>(
          "learning to grow, step {}: expected a finite loss and gradient, found loss {}, gradient "
          "norm {}; hint: a lower train.lr, or source_map = \"aki\"",
          step + 1, std::abs(loss), std::abs(norm));
    }
    clip_gradients(learned.gradients(), norm, config.train.clip);
    const double left = static_cast<double>(num_steps - step) / static_cast<double>(num_steps);
    optimizer.step(learned, moments, config.train.lr * left);
  }
  log_info("learned to grow in {} steps: loss {:.4f} before the first, {:.4f} before the last",
           num_steps, first_loss, loss);
  auto result = make_model(spec, static_cast<int64_t>(layers.size()), source.device());
  set_values(*result, operators.expand());
  return result;
}

}  // namespace apollo
