// AdamW against its definition in double precision, and its state during growth, slot by slot.
#include "optim/adamw.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "model/model.h"
#include "support/test_device.h"

namespace apollo {
namespace {

ModelSpec small_spec() {
  ModelSpec spec;
  spec.shape = {Architecture::kGpt2, /*layers=*/6, /*width=*/6, /*heads=*/2, /*context=*/5,
                /*vocab_size=*/11};
  return spec;
}

ParameterSet small_parameters(int64_t layers) {
  return ParameterSet(ParameterLayout(model_parameters(small_spec(), layers)), test_device());
}

void fill_slots(const at::Tensor& buffer, const ParameterLayout& layout, uint64_t seed) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (const ParameterSlot& slot : layout.slots())
    slot_view(buffer, slot).copy_(at::empty(slot.spec.shape, at::kFloat).normal_(0.0, 1.0, random));
}

// Returns the sum of the elements of a buffer that belong to no slot.
double padding_sum(const at::Tensor& buffer, const ParameterLayout& layout) {
  at::Tensor rest = buffer.abs();
  for (const ParameterSlot& slot : layout.slots())
    slot_view(rest, slot).zero_();
  return rest.sum().item<double>();
}

// Algorithm 2 of Loshchilov and Hutter with schedule multiplier 1, on plain vectors.
struct PlainAdamW {
  std::vector<double> values, exp_avg, exp_avg_sq;

  explicit PlainAdamW(const at::Tensor& start)
      : exp_avg(static_cast<size_t>(start.numel()), 0.0), exp_avg_sq(exp_avg.size(), 0.0) {
    const at::Tensor flat = start.contiguous().cpu();
    values.assign(flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
  }

  void step(const at::Tensor& gradients, int64_t t, double lr, double decay,
            const AdamWOptions& o) {
    const at::Tensor flat = gradients.contiguous().cpu();
    const float* g = flat.data_ptr<float>();
    for (size_t i = 0; i < values.size(); ++i) {
      exp_avg[i] = o.beta1 * exp_avg[i] + (1 - o.beta1) * g[i];
      exp_avg_sq[i] = o.beta2 * exp_avg_sq[i] + (1 - o.beta2) * g[i] * g[i];
      const double m = exp_avg[i] / (1 - std::pow(o.beta1, t));
      const double v = exp_avg_sq[i] / (1 - std::pow(o.beta2, t));
      values[i] -= lr * (m / (std::sqrt(v) + o.epsilon) + decay * values[i]);
    }
  }
};

TEST(AdamW, FollowsItsDefinitionWithDecayOnMatricesOnly) {
  ParameterSet parameters = small_parameters(2);
  const ParameterLayout& layout = parameters.layout();
  const at::NoGradGuard no_grad;
  fill_slots(parameters.values(), layout, 1);
  const AdamWOptions options{.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.3};
  std::vector<PlainAdamW> plain;
  for (const ParameterSlot& slot : layout.slots())
    plain.emplace_back(slot_view(parameters.values(), slot));
  const AdamW optimizer(options);
  OptimizerState state = optimizer.fresh_state(parameters);
  for (int64_t step = 1; step <= 5; ++step) {
    const double lr = 0.01 * static_cast<double>(step);
    fill_slots(parameters.gradients(), layout, static_cast<uint64_t>(100 + step));
    optimizer.step(parameters, state, lr);
    for (size_t i = 0; i < layout.slots().size(); ++i) {
      const ParameterSlot& slot = layout.slots()[i];
      const bool is_matrix = slot.spec.shape.size() == 2;
      plain[i].step(slot_view(parameters.gradients(), slot), step, lr, is_matrix ? 0.3 : 0.0,
                    options);
      const at::Tensor found = slot_view(parameters.values(), slot).flatten().cpu();
      for (int64_t e = 0; e < found.numel(); ++e) {
        ASSERT_NEAR(found[e].item<double>(), plain[i].values[static_cast<size_t>(e)], 2e-6)
            << slot.spec.name << " element " << e << " step " << step;
      }
      EXPECT_EQ(state.num_steps[i], step);
    }
  }
  EXPECT_EQ(padding_sum(parameters.values(), layout), 0.0);
  EXPECT_EQ(padding_sum(state.buffer("exp_avg"), layout), 0.0);
  EXPECT_EQ(padding_sum(state.buffer("exp_avg_sq"), layout), 0.0);
  EXPECT_GT(layout.total_size(), layout.num_parameters()) << "no padding to look at";
}

TEST(AdamW, SlotsOfDifferentAgeAreCorrectedEachByItsOwn) {
  ParameterSet parameters = small_parameters(1);
  const ParameterLayout& layout = parameters.layout();
  const at::NoGradGuard no_grad;
  const AdamW optimizer({.epsilon = 0.0, .weight_decay = 0.0});
  OptimizerState state = optimizer.fresh_state(parameters);
  for (size_t i = 0; i < state.num_steps.size(); ++i)
    state.num_steps[i] = i % 2 == 0 ? 0 : 9;
  parameters.gradients().fill_(1.0);
  optimizer.step(parameters, state, /*lr=*/0.5);
  for (size_t i = 0; i < state.num_steps.size(); ++i) {
    const double t = i % 2 == 0 ? 1 : 10;
    const double m = 0.1 / (1 - std::pow(0.9, t));
    const double v = 0.05 / (1 - std::pow(0.95, t));
    const at::Tensor values = slot_view(parameters.values(), layout.slots()[i]).flatten();
    EXPECT_NEAR(values[0].item<double>(), -0.5 * m / std::sqrt(v), 1e-6)
        << layout.slots()[i].spec.name;
  }
}

// A state in which every element and every step count is different.
OptimizerState distinct_state(const ParameterSet& parameters) {
  OptimizerState state = AdamW(AdamWOptions{}).fresh_state(parameters);
  for (const ParameterSlot& slot : parameters.layout().slots()) {
    const auto index = static_cast<size_t>(&slot - parameters.layout().slots().data());
    const at::Tensor numbers =
        at::arange(slot.offset, slot.offset + slot.size, at::TensorOptions(test_device()));
    slot_view(state.buffer("exp_avg"), slot).copy_(numbers.view(slot.spec.shape) + 1.0);
    slot_view(state.buffer("exp_avg_sq"), slot).copy_(numbers.view(slot.spec.shape) + 0.5);
    state.num_steps[index] = static_cast<int64_t>(index) + 1;
  }
  return state;
}

// What a slot of the grown model must hold: a layer of the old one, kEmpty, or its own old content.
constexpr int64_t kEmpty = -2;

void expect_layers(OptimizerStateRule rule, const LayerMap& map, const LayerMap& sources,
                   bool shared_kept) {
  const ParameterSet before = small_parameters(3);
  const ParameterLayout to(model_parameters(small_spec(), static_cast<int64_t>(map.size())));
  const OptimizerState old = distinct_state(before);
  const OptimizerState grown = grow_optimizer_state(old, before.layout(), to, map, rule);
  ASSERT_EQ(grown.buffer("exp_avg").numel(), to.total_size());
  ASSERT_EQ(grown.num_steps.size(), to.slots().size());
  for (size_t i = 0; i < to.slots().size(); ++i) {
    const ParameterSlot& slot = to.slots()[i];
    SCOPED_TRACE(slot.spec.name);
    const int64_t layer = slot.spec.layer;
    const int64_t source =
        layer >= 0 ? sources[static_cast<size_t>(layer)] : (shared_kept ? -1 : kEmpty);
    if (source == kEmpty) {
      EXPECT_EQ(grown.num_steps[i], 0);
      EXPECT_EQ(slot_view(grown.buffer("exp_avg"), slot).abs().sum().item<double>(), 0.0);
      EXPECT_EQ(slot_view(grown.buffer("exp_avg_sq"), slot).abs().sum().item<double>(), 0.0);
      continue;
    }
    const ParameterSlot* from = before.layout().find_part(slot.spec.part, source);
    ASSERT_NE(from, nullptr);
    EXPECT_EQ(grown.num_steps[i], from - before.layout().slots().data() + 1);
    EXPECT_TRUE(
        slot_view(grown.buffer("exp_avg"), slot).equal(slot_view(old.buffer("exp_avg"), *from)));
    EXPECT_TRUE(slot_view(grown.buffer("exp_avg_sq"), slot)
                    .equal(slot_view(old.buffer("exp_avg_sq"), *from)));
  }
  EXPECT_EQ(padding_sum(grown.buffer("exp_avg"), to), 0.0);
}

TEST(OptimizerGrowth, TransportMovesMomentsWithTheWeights) {
  expect_layers(OptimizerStateRule::kTransport, {0, 0, 1, 1, 2, 2}, {0, 0, 1, 1, 2, 2}, true);
  expect_layers(OptimizerStateRule::kTransport, {0, 1, 2, 1, 2}, {0, 1, 2, 1, 2}, true);
}

TEST(OptimizerGrowth, KeepLeavesMomentsInTheirSlots) {
  expect_layers(OptimizerStateRule::kKeep, {0, 0, 1, 1, 2, 2}, {0, 1, 2, kEmpty, kEmpty, kEmpty},
                true);
}

TEST(OptimizerGrowth, ResetStartsEmpty) {
  const LayerMap empty(6, kEmpty);
  expect_layers(OptimizerStateRule::kReset, {0, 0, 1, 1, 2, 2}, empty, false);
}

TEST(OptimizerGrowth, FreshLayersStartEmpty) {
  expect_layers(OptimizerStateRule::kTransport, {0, kFresh, 1, kFresh, 2, kFresh},
                {0, kEmpty, 1, kEmpty, 2, kEmpty}, true);
}

TEST(AdamW, LeavesSlotsThatDoNotTrain) {
  ParameterSet parameters = small_parameters(3);
  const ParameterLayout& layout = parameters.layout();
  const at::NoGradGuard no_grad;
  fill_slots(parameters.values(), layout, 1);
  fill_slots(parameters.gradients(), layout, 2);
  OptimizerState state = distinct_state(parameters);
  ParameterSet all = small_parameters(3);
  all.values().copy_(parameters.values());
  all.gradients().copy_(parameters.gradients());
  OptimizerState all_state = distinct_state(all);
  const OptimizerState before = distinct_state(parameters);
  const at::Tensor values = parameters.values().clone();

  const std::vector<bool> trained = trained_slots(layout, /*frozen_layers=*/2);
  const AdamW optimizer{AdamWOptions{}};
  optimizer.step(parameters, state, 0.1, trained);
  optimizer.step(all, all_state, 0.1);
  std::vector<std::string> names;
  for (size_t i = 0; i < layout.slots().size(); ++i) {
    const ParameterSlot& slot = layout.slots()[i];
    SCOPED_TRACE(slot.spec.name);
    const bool trains = trained[i];
    if (trains && slot.spec.layer < 0) names.push_back(slot.spec.name);
    EXPECT_EQ(trains, slot.spec.layer == 2 || slot.spec.role == Role::kHead);
    EXPECT_EQ(state.num_steps[i], before.num_steps[i] + (trains ? 1 : 0));
    EXPECT_TRUE(slot_view(parameters.values(), slot)
                    .equal(slot_view(trains ? all.values() : values, slot)));
    EXPECT_TRUE(slot_view(state.buffer("exp_avg"), slot)
                    .equal(slot_view(
                        trains ? all_state.buffer("exp_avg") : before.buffer("exp_avg"), slot)));
    EXPECT_TRUE(
        slot_view(state.buffer("exp_avg_sq"), slot)
            .equal(slot_view(trains ? all_state.buffer("exp_avg_sq") : before.buffer("exp_avg_sq"),
                             slot)));
  }
  EXPECT_EQ(names, (std::vector<std::string>{"transformer.wte.weight", "transformer.ln_f.weight",
                                             "transformer.ln_f.bias"}));
}

}  // namespace
}  // namespace apollo
