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

// Which layer of the old model a new layer takes its moments from.
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

OptimizerState::Buffer zero_buffer(std::string name, ParameterGroup group,
                                   const ParameterSet& parameters) {
  auto layout = std::make_shared<const ParameterLayout>(parameters.layout().of_group(group));
  at::Tensor values = at::zeros({layout->total_size()}, parameters.values().options());
  return {std::move(name), group, std::move(layout), std::move(values)};
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
  const at::NoGradGuard no_grad;
  OptimizerState grown;
  const bool reset = rule == OptimizerStateRule::kReset;
  const LayerMap moments = moment_map(map, count_layers(from), rule);
  for (const OptimizerState::Buffer& buffer : state.buffers) {
    auto layout = std::make_shared<const ParameterLayout>(to.of_group(buffer.group));
    at::Tensor values = reset ? at::zeros({layout->total_size()}, buffer.values.options())
                              : grow_buffer(buffer.values, *buffer.layout, *layout, moments);
    grown.buffers.push_back({buffer.name, buffer.group, std::move(layout), std::move(values)});
  }
  grown.num_steps = reset ? std::vector<int64_t>(to.slots().size(), 0)
                          : grow_step_counts(state.num_steps, from, to, moments);
  return grown;
}

}  // namespace apollo
