#include "train/train_step.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.h"
#include "optim/clip.h"

namespace apollo {
namespace {

[[noreturn]] void report_divergence(const TrainState& state, const StepResult& result) {
  std::string culprit = "all gradients are finite";
  for (const ParameterSlot& slot : state.model->parameters().layout().slots()) {
    const at::Tensor gradient = slot_view(state.model->parameters().gradients(), slot);
    if (!at::isfinite(gradient).all().item<bool>()) {
      culprit =
          fmt::format("the first gradient that is not finite is that of '{}'", slot.spec.name);
      break;
    }
  }
  // The sign of a NaN says nothing.
  const auto shown = [](double value) { return std::isnan(value) ? std::abs(value) : value; };
  fail<DivergedError>(
      "step {}: expected a finite loss and gradient, found loss {}, gradient norm {} (depth {}, "
      "learning rate {:.3g}); {}; nothing was updated; hint: a lower train.lr, a longer "
      "train.warmup or train.clip = 1.0",
      state.position.step + 1, shown(result.loss), shown(result.grad_norm), result.depths.front(),
      result.lr, culprit);
}

// What the step found; throws DivergedError where the loss or a gradient is not finite.
StepResult checked(const TrainState& state, const StepPlan& plan, const TokenBatch& batch,
                   const at::Tensor& losses, Workers& workers) {
  // All in one copy: no step waits for its device more than once to be checked.
  const at::Tensor norm = gradient_norm(state.model->parameters().gradients());
  const at::Tensor found = at::cat({losses, norm.reshape({1})}).cpu();
  const std::span<const float> numbers(found.const_data_ptr<float>(),
                                       static_cast<size_t>(found.numel()));
  StepResult result{.grad_norm = numbers.back(),
                    .lr = plan.lr,
                    .flops = plan.flops,
                    .tokens = static_cast<int64_t>(batch.inputs.size())};
  const std::vector<double> own(numbers.begin(), numbers.end() - 1);
  for (const double loss : workers.gather(own))
    result.loss += loss;
  for (const PassPlan& pass : plan.passes)
    result.depths.push_back(pass.depth());
  if (!std::isfinite(result.loss) || !std::isfinite(result.grad_norm)) {
    report_divergence(state, result);
  }
  return result;
}

void advance(TrainState& state, const StepResult& result) {
  state.position.step += 1;
  state.position.flops += result.flops;
  state.tokens += result.tokens;
}

}  // namespace

int64_t count_targets(const TokenBatch& batch) {
  const auto ignored = std::count(batch.targets.begin(), batch.targets.end(), kIgnoredTarget);
  return std::max<int64_t>(1, static_cast<int64_t>(batch.targets.size()) - ignored);
}

StepResult train_step(TrainState& state, const Run& run) {
  const StepPlan plan = run.schedule->plan_step(state.position, state.stage);
  const TokenBatch batch = run.batches->take(state.position.step);
  ParameterSet& parameters = state.model->parameters();
  run.passes->begin_step(*state.model, count_targets(batch));
  const at::Tensor losses = run.passes->run_tree(
      *state.model, batch, run.workers->share(std::span<const PassPlan>(plan.passes)));
  run.workers->sum(parameters.gradients());
  const StepResult result = checked(state, plan, batch, losses, *run.workers);
  clip_gradients(parameters.gradients(), result.grad_norm, run.config().train.clip);
  run.optimizer->step(parameters, state.optimizer, plan.lr,
                      trained_slots(parameters.layout(), plan.passes.front().frozen));
  advance(state, result);
  return result;
}

}  // namespace apollo
