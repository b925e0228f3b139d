#include "optim/optimizer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "model/growth.h"
#include "optim/adamw.h"
#include "optim/muon.h"

namespace apollo {
namespace {

// Returns the layer of the old model from which each new layer takes its moments.
LayerMap moment_map(const LayerMap& map, int64_t old_layers, OptimizerStateRule rule) {
  if (rule == OptimizerStateRule::kTransport) return map;
  LayerMap kept(map.size(), kFresh);
  for (size_t i = 0; i < map.size() && static_cast<int64_t>(i) < old_layers; ++i)
    kept[i] = static_cast<int64_t>(i);
  return kept;
}

int64_t count_layers(const ParameterLayout& layout) {
  int64_t layers = 0;
  for (const ParameterSlot& slot : layout.slots())
    layers = std::max(layers, slot.spec.layer + 1);
  return layers;
}

std::vector<int64_t> grow_step_counts(const std::vector<int64_t>& counts,
                                      const ParameterLayout& from, const ParameterLayout& to,
                                      const LayerMap& moments) {
  std::vector<int64_t> grown;
  for (const ParameterSlot& target : to.slots()) {
    const int64_t own = target.spec.layer;
    const int64_t layer = own < 0 ? own : moments.at(static_cast<size_t>(own));
    const ParameterSlot* source =
        own >= 0 && layer == kFresh ? nullptr : from.find_part(target.spec.part, layer);
    grown.push_back(
        source == nullptr ? 0 : counts.at(static_cast<size_t>(source - from.slots().data())));
  }
  return grown;
}

}  // namespace

const OptimizerState::Buffer& OptimizerState::find(std::string_view name) const {
  for (const Buffer& buffer : buffers) {
    if (buffer.name == name) return buffer;
  }
  fail<Error>("the optimizer's state has no buffer '{}'", name);
}

OptimizerState copy_on_host(const OptimizerState& state) {
  OptimizerState copy = state;
  for (OptimizerState::Buffer& buffer : copy.buffers) {
    buffer.values = buffer.values.to(at::TensorOptions(at::kCPU), /*non_blocking=*/false,
                                     /*copy=*/true);
  }
  return copy;
}

OptimizerState::Buffer zero_buffer(std::string name, ParameterGroup group,
                                   const ParameterSet& parameters, ElementRange part) {
  auto layout = std::make_shared<const ParameterLayout>(parameters.layout().of_group(group));
  const ElementRange own = range_within(parameters.layout(), *layout, part);
  at::Tensor values = at::zeros({own.size()}, parameters.values().options());
  return {std::move(name), group, std::move(layout), std::move(values), own.begin};
}

OptimizerState Optimizer::fresh_state(const ParameterSet& parameters) const {
  return fresh_state(parameters, parameters.layout().whole());
}

std::vector<ElementRange> Optimizer::shares(const ParameterLayout& layout, int64_t count) const {
  return equal_ranges(layout.total_size(), count, ParameterLayout::kAlignment);
}

std::unique_ptr<Optimizer> make_optimizer(const RunConfig::Train& train) {
  const AdamWOptions adamw{.beta1 = train.betas.at(0),
                           .beta2 = train.betas.at(1),
                           .epsilon = train.epsilon,
                           .weight_decay = train.weight_decay};
  switch (train.optimizer) {
    case OptimizerKind::kAdamW:
      return std::make_unique<AdamW>(adamw);
    case OptimizerKind::kMuon:
      return std::make_unique<Muon>(MuonOptions{.weight_decay = train.weight_decay}, adamw);
  }
  return nullptr;
}

OptimizerState grow_optimizer_state(const OptimizerState& state, const ParameterLayout& from,
                                    const ParameterLayout& to, const LayerMap& map,
                                    OptimizerStateRule rule) {
  return grow_optimizer_state(state, from, to, map, rule, to.whole(),
                              [](const OptimizerState::Buffer& all) { return all.values; });
}

OptimizerState grow_optimizer_state(const OptimizerState& state, const ParameterLayout& from,
                                    const ParameterLayout& to, const LayerMap& map,
                                    OptimizerStateRule rule, ElementRange part,
                                    const WholeBuffer& whole) {
  const at::NoGradGuard no_grad;
  OptimizerState grown;
  const bool reset = rule == OptimizerStateRule::kReset;
  const LayerMap moments = moment_map(map, count_layers(from), rule);
  for (const OptimizerState::Buffer& buffer : state.buffers) {
    auto layout = std::make_shared<const ParameterLayout>(to.of_group(buffer.group));
    const ElementRange own = range_within(to, *layout, part);
    at::Tensor values = reset ? at::zeros({own.size()}, buffer.values.options())
                              : grow_buffer(whole(buffer), *buffer.layout, *layout, moments, own);
    grown.buffers.push_back(
        {buffer.name, buffer.group, std::move(layout), std::move(values), own.begin});
  }
  grown.num_steps = reset ? std::vector<int64_t>(to.slots().size(), 0)
                          : grow_step_counts(state.num_steps, from, to, moments);
  return grown;
}

}  // namespace apollo
