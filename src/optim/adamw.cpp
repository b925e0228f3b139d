#include "optim/adamw.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "base/error.h"
#include "model/growth.h"

namespace apollo {
namespace {

// Neighbouring slots that are updated alike, as one range of the buffer.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  bool decay = false;
  int64_t num_steps = 0;
};

bool trains(const std::vector<bool>& trained, size_t slot) {
  return trained.empty() || trained[slot];
}

std::vector<Range> equal_ranges(const ParameterLayout& layout,
                                const std::vector<int64_t>& num_steps,
                                const std::vector<bool>& trained) {
  std::vector<Range> ranges;
  const auto& slots = layout.slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    if (!trains(trained, i)) continue;
    const int64_t end = i + 1 < slots.size() ? slots[i + 1].offset : layout.total_size();
    if (ranges.empty() || ranges.back().end != slots[i].offset ||
        ranges.back().decay != slots[i].spec.decay || ranges.back().num_steps != num_steps[i]) {
      ranges.push_back({slots[i].offset, end, slots[i].spec.decay, num_steps[i]});
    }
    ranges.back().end = end;
  }
  return ranges;
}

// Which layer of the old model a new layer takes its moments from; -1: none.
LayerMap moment_map(const LayerMap& map, int64_t old_layers, OptimizerStateRule rule) {
  LayerMap moments(map.size(), -1);
  for (size_t i = 0; i < map.size(); ++i) {
    const auto layer = static_cast<int64_t>(i);
    if (rule == OptimizerStateRule::kTransport || rule == OptimizerStateRule::kTransportScaled) {
      moments[i] = map[i];
    }
    if (rule == OptimizerStateRule::kKeep && layer < old_layers) moments[i] = layer;
  }
  return moments;
}

int64_t count_layers(const ParameterLayout& layout) {
  int64_t layers = 0;
  for (const ParameterSlot& slot : layout.slots()) {
    layers = std::max(layers, slot.spec.layer + 1);
  }
  return layers;
}

}  // namespace

AdamWState make_adamw_state(const ParameterSet& parameters) {
  return {at::zeros_like(parameters.values()), at::zeros_like(parameters.values()),
          std::vector<int64_t>(parameters.layout().slots().size(), 0)};
}

void adamw_step(ParameterSet& parameters, AdamWState& state, double lr, const AdamWOptions& options,
                const std::vector<bool>& trained) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < state.num_steps.size(); ++i) {
    if (trains(trained, i)) ++state.num_steps[i];
  }
  for (const Range& range : equal_ranges(parameters.layout(), state.num_steps, trained)) {
    const auto part = [&](const at::Tensor& buffer) {
      return std::vector<at::Tensor>{buffer.slice(0, range.begin, range.end)};
    };
    const at::Tensor num_steps =
        at::full({}, static_cast<double>(range.num_steps), parameters.values().options());
    at::_fused_adamw_(part(parameters.values()), part(parameters.gradients()), part(state.exp_avg),
                      part(state.exp_avg_sq), /*max_exp_avg_sqs=*/{},
                      std::vector<at::Tensor>{num_steps}, lr, options.beta1, options.beta2,
                      range.decay ? options.weight_decay : 0.0, options.epsilon,
                      /*amsgrad=*/false, /*maximize=*/false);
  }
}

AdamWState grow_adamw_state(const AdamWState& state, const ParameterLayout& from,
                            const ParameterLayout& to, const LayerMap& map,
                            OptimizerStateRule rule) {
  const at::NoGradGuard no_grad;
  AdamWState grown{at::zeros({to.total_size()}, state.exp_avg.options()),
                   at::zeros({to.total_size()}, state.exp_avg_sq.options()),
                   std::vector<int64_t>(to.slots().size(), 0)};
  const int64_t old_layers = count_layers(from);
  const LayerMap moments = moment_map(map, old_layers, rule);
  const std::vector<int64_t> uses = use_counts(map, old_layers);
  for (size_t i = 0; i < to.slots().size(); ++i) {
    const ParameterSlot& target = to.slots()[i];
    const int64_t layer =
        target.spec.layer < 0 ? -1 : moments.at(static_cast<size_t>(target.spec.layer));
    const bool empty = target.spec.layer < 0 ? rule == OptimizerStateRule::kReset : layer < 0;
    if (empty) continue;
    const ParameterSlot* source = from.find_part(target.spec.part, layer);
    if (source == nullptr) fail<Error>("growth: no moments for '{}'", target.spec.name);
    const at::Tensor exp_avg = slot_view(grown.exp_avg, target);
    const at::Tensor exp_avg_sq = slot_view(grown.exp_avg_sq, target);
    exp_avg.copy_(slot_view(state.exp_avg, *source));
    exp_avg_sq.copy_(slot_view(state.exp_avg_sq, *source));
    if (layer >= 0 && rule == OptimizerStateRule::kTransportScaled) {
      const auto r = static_cast<double>(uses[static_cast<size_t>(layer)]);
      exp_avg.div_(r);
      exp_avg_sq.div_(r * r);
    }
    grown.num_steps[i] = state.num_steps[static_cast<size_t>(source - from.slots().data())];
  }
  return grown;
}

}  // namespace apollo
