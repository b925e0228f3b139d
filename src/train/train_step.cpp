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

// Returns the number of the first slot with a gradient that is not finite, or the number of slots
// if there is none. All ranks get the same; each reads the gradients whose sum it has.
size_t first_not_finite(const ParameterSet& parameters, const Run& run) {
  const ElementRange own = run.shards->own_part(parameters.layout());
  const std::vector<ParameterSlot>& slots = parameters.layout().slots();
  size_t first = 0;
  for (; first < slots.size(); ++first) {
    const ParameterSlot& slot = slots[first];
    const ElementRange part = common_part({slot.offset, slot.offset + slot.size}, own);
    const at::Tensor gradient = parameters.gradients().slice(0, part.begin, part.end);
    if (!at::isfinite(gradient).all().item<bool>()) break;
  }
  return static_cast<size_t>(-run.workers->largest(-static_cast<double>(first)));
}

[[noreturn]] void report_divergence(const TrainState& state, const StepResult& result,
                                    const Run& run) {
  std::string culprit = "all gradients are finite";
  const std::vector<ParameterSlot>& slots = state.model->parameters().layout().slots();
  const size_t first = first_not_finite(state.model->parameters(), run);
  if (first < slots.size()) {
    culprit = fmt::format("the first gradient that is not finite is that of '{}'",
                          slots[first].spec.name);
  }
  // The sign of a NaN means nothing.
  const auto shown = [](double value) { return std::isnan(value) ? std::abs(value) : value; };
  fail<DivergedError>(
      "step {}: expected a finite loss and gradient, found loss {}, gradient norm {} (depth {}, "
      "learning rate {:.3g}); {}; nothing was updated; hint: a lower train.lr, a longer "
      "train.warmup or train.clip = 1.0",
      state.position.step + 1, shown(result.loss), shown(result.grad_norm), result.depths.front(),
      result.lr, culprit);
}

// Returns the result of the step; throws DivergedError if the loss or a gradient is not finite.
StepResult checked(const TrainState& state, const StepPlan& plan, const TokenBatch& batch,
                   const at::Tensor& losses, const Run& run) {
  // All are in one copy, so that a step waits only once for its device to be checked.
  const at::Tensor norms = run.shards->own_block_norms(state.model->parameters());
  const at::Tensor found = at::cat({losses, norms}).to(at::kCPU, at::kDouble);
  const std::span<const double> numbers(found.const_data_ptr<double>(),
                                        static_cast<size_t>(found.numel()));
  const auto num_losses = static_cast<size_t>(losses.numel());
  StepResult result{.grad_norm = run.shards->gradient_norm(numbers.subspan(num_losses)),
                    .lr = plan.lr,
                    .flops = plan.flops,
                    .tokens = static_cast<int64_t>(batch.inputs.size())};
  for (const double loss : run.workers->gather(numbers.first(num_losses)))
    result.loss += loss;
  for (const PassPlan& pass : plan.passes)
    result.depths.push_back(pass.depth());
  if (!std::isfinite(result.loss) || !std::isfinite(result.grad_norm)) {
    report_divergence(state, result, run);
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
  run.shards->sum_gradients(parameters);
  const StepResult result = checked(state, plan, batch, losses, run);
  clip_gradients(run.shards->own_gradients(parameters), result.grad_norm, run.config().train.clip);
  run.optimizer->step(parameters, state.optimizer, plan.lr,
                      trained_slots(parameters.layout(), plan.passes.front().frozen));
  run.shards->gather_parameters(parameters);
  advance(state, result);
  return result;
}

}  // namespace apollo
