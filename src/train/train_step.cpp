#include "train/train_step.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "optim/clip.h"
#include "optim/shared_gradients.h"

namespace apollo {
namespace {

// Dropout masks come from the device's own generator; keyed afresh for every micro-batch, they
// depend on nothing that came before.
void seed_dropout(at::Device device, uint64_t seed, int64_t step, int64_t micro_step) {
  const uint64_t key = random_bits(seed, RngStream::kDropout, static_cast<uint64_t>(step),
                                   static_cast<uint32_t>(micro_step));
  at::Generator generator = at::globalContext().defaultGenerator(device);
  generator.set_current_seed(key);
}

// The learning rate in the middle of the step, so that neither the first step is lost to a rate of
// zero nor the last.
double step_lr(const RunPosition& before, const StageState& stage, double flops,
               const StepContext& context) {
  RunPosition after = before;
  after.step += 1;
  after.flops += flops;
  const LrAxis axis = context.config.train.lr_axis;
  const double middle =
      0.5 * (context.schedule.progress(before, axis) + context.schedule.progress(after, axis));
  return context.lr.at(middle) * context.schedule.lr_factor(middle, stage);
}

// How the passes of the stage run a pass of `depth`.
PassOptions pass_options(int64_t depth, const TrainState& state, const StepContext& context) {
  const Stage& stage = context.schedule.stages().at(static_cast<size_t>(state.stage.index));
  PassOptions pass = context.pass;
  pass.recompute = context.schedule.recomputes(depth, state.stage);
  pass.frozen_blocks = stage.frozen;
  // A subnetwork's branches are fewer; this keeps the variance of their sum.
  if (depth < stage.layers) {
    pass.branch_scale = std::sqrt(static_cast<double>(stage.layers) / static_cast<double>(depth));
  }
  return pass;
}

// With progressive.shared_gradient_power, for which all passes of a step have one depth.
void share_gradients(TrainState& state, const StepContext& context, int64_t depth) {
  const double power = context.config.progressive.shared_gradient_power;
  if (power == 0.0) return;
  const LayerMap blocks =
      context.schedule.blocks_at(depth, /*micro_step=*/0, state.position, state.stage);
  divide_shared_gradients(state.model->parameters(), use_counts(blocks, state.model->num_layers()),
                          power);
}

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

}  // namespace

int64_t count_targets(const TokenBatch& batch) {
  const auto ignored = std::count(batch.targets.begin(), batch.targets.end(), kIgnoredTarget);
  return std::max<int64_t>(1, static_cast<int64_t>(batch.targets.size()) - ignored);
}

StepResult train_step(TrainState& state, const StepContext& context) {
  StepResult result;
  result.depths = context.schedule.depths_at(state.position, state.stage);
  result.flops = context.schedule.step_flops(result.depths, state.stage);
  result.lr = step_lr(state.position, state.stage, result.flops, context);

  const Stage& stage = context.schedule.stages().at(static_cast<size_t>(state.stage.index));
  ParameterSet& parameters = state.model->parameters();
  parameters.zero_gradients();
  // Of all micro-batches together, since the loss is a mean over the targets of all.
  const TokenBatch batch = context.data.take(state.position.step);
  context.passes.begin_step(*state.model, count_targets(batch));
  for (size_t m = 0; m < result.depths.size(); ++m) {
    const auto micro_step = static_cast<int64_t>(m);
    const int64_t depth = result.depths[m];
    seed_dropout(state.model->device(), context.config.run.seed, state.position.step, micro_step);
    context.passes.run(*state.model, batch,
                       micro_step * context.schedule.micro_batch_size(depth, state.stage),
                       context.schedule.micro_batch_rows(depth, micro_step, state.stage),
                       context.schedule.blocks_at(depth, micro_step, state.position, state.stage),
                       pass_options(depth, state, context));
  }
  share_gradients(state, context, result.depths.front());
  // Both in one copy: no step waits for its device more than once to be checked.
  const at::Tensor checked =
      at::stack({context.passes.loss(), gradient_norm(parameters.gradients())}).cpu();
  result.loss = checked[0].item<double>();
  result.grad_norm = checked[1].item<double>();
  if (!std::isfinite(result.loss) || !std::isfinite(result.grad_norm)) {
    report_divergence(state, result);
  }
  clip_gradients(parameters.gradients(), result.grad_norm, context.config.train.clip);
  adamw_step(parameters, state.optimizer, result.lr, context.optimizer,
             trained_slots(parameters.layout(), stage.frozen));

  state.position.step += 1;
  state.position.flops += result.flops;
  state.tokens += static_cast<int64_t>(batch.inputs.size());
  return result;
}

}  // namespace apollo
