// Muon against its publication in double precision and against torch.optim.Muon, using
// muon_reference.py; and Muon with growth, frozen layers and packed tensors.
#include "optim/muon.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "arch/hidden_matrices.h"
#include "model/model.h"
#include "model/safetensors.h"
#include "optim/newton_schulz.h"
#include "support/python_original.h"
#include "support/test_device.h"

namespace apollo {
namespace {

constexpr int64_t kSteps = 4;
constexpr double kLr = 0.01;
constexpr MuonOptions kMuon{.weight_decay = 0.3};
constexpr AdamWOptions kAdamW{.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.3};

ModelSpec small_spec(Architecture architecture, int64_t width) {
  ModelSpec spec;
  spec.shape = {architecture, /*layers=*/3, width, /*heads=*/2, /*context=*/5, /*vocab_size=*/11};
  spec.shape.set_inner_width(width + width / 2);
  return spec;
}

ParameterSet small_parameters(Architecture architecture, int64_t width, int64_t layers = 3) {
  return ParameterSet(ParameterLayout(model_parameters(small_spec(architecture, width), layers)),
                      test_device());
}

void fill_slots(const at::Tensor& buffer, const ParameterLayout& layout, uint64_t seed,
                double deviation) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (const ParameterSlot& slot : layout.slots()) {
    slot_view(buffer, slot)
        .copy_(at::empty(slot.spec.shape, at::kFloat).normal_(0.0, deviation, random));
  }
}

// Returns the sum of the elements of a buffer that belong to no slot.
double padding_sum(const at::Tensor& buffer, const ParameterLayout& layout) {
  at::Tensor rest = buffer.abs();
  for (const ParameterSlot& slot : layout.slots())
    slot_view(rest, slot).zero_();
  return rest.sum().item<double>();
}

struct Case {
  Architecture architecture;
  int64_t width;  // of matrices that are iterated together, or one by one
};

class MuonReference : public testing::TestWithParam<Case> {
 protected:
  // Trains with made-up gradients and makes the script do the same.
  void train() {
    ParameterSet parameters = small_parameters(GetParam().architecture, GetParam().width);
    layout_ = std::make_unique<ParameterLayout>(parameters.layout());
    const at::NoGradGuard no_grad;
    fill_slots(parameters.values(), *layout_, 1, 0.02);
    NamedTensors input;
    const auto add = [&](const std::string& prefix, const at::Tensor& buffer) {
      for (const ParameterSlot& slot : layout_->slots())
        input.emplace_back(prefix + slot.spec.name, slot_view(buffer, slot).cpu());
    };
    add("values.", parameters.values().clone());
    after_.push_back(parameters.values().clone());
    const Muon optimizer(kMuon, kAdamW);
    OptimizerState state = optimizer.fresh_state(parameters);
    for (int64_t step = 0; step < kSteps; ++step) {
      fill_slots(parameters.gradients(), *layout_, static_cast<uint64_t>(100 + step), 1.0);
      add(fmt::format("gradient.{}.", step), parameters.gradients().clone());
      optimizer.step(parameters, state, kLr);
      after_.push_back(parameters.values().clone());
    }
    EXPECT_EQ(state.num_steps, std::vector<int64_t>(layout_->slots().size(), kSteps));
    EXPECT_EQ(padding_sum(parameters.values(), *layout_), 0.0);
    for (const OptimizerState::Buffer& buffer : state.buffers)
      EXPECT_EQ(padding_sum(buffer.values, *buffer.layout), 0.0) << buffer.name;
    const TempDir temp;
    write_safetensors(temp / "in.safetensors", input, {});
    run_python("tests/optim/muon_reference.py",
               fmt::format("'{}' '{}' {} {} {} {} {}", (temp / "in.safetensors").string(),
                           (temp / "out.safetensors").string(), kLr, kMuon.weight_decay,
                           kAdamW.beta1, kAdamW.beta2, kAdamW.epsilon));
    for (auto& [name, tensor] : read_safetensors(temp / "out.safetensors").tensors)
      expected_[name] = tensor.to(at::kDouble);
    for (const ParameterSlot& slot : layout_->slots())
      expected_["start." + slot.spec.name] = slot_view(after_[0], slot).cpu().to(at::kDouble);
  }

  // Returns the greatest difference between an update and the script's, relative to its norm.
  double worst(const std::string& kind, bool hidden) const {
    double worst = 0.0;
    for (const ParameterSlot& slot : layout_->slots()) {
      if (has_hidden_matrices(slot.spec) != hidden) continue;
      at::Tensor before = expected_.at("start." + slot.spec.name);
      for (size_t step = 0; step < kSteps; ++step) {
        const at::Tensor& now = expected_.at(fmt::format("{}.{}.{}", kind, step, slot.spec.name));
        const at::Tensor found = slot_view(after_[step + 1], slot).cpu().to(at::kDouble) -
                                 slot_view(after_[step], slot).cpu().to(at::kDouble);
        const at::Tensor update = now - before;
        worst = std::max(worst, ((found - update).norm() / update.norm()).item<double>());
        before = now;
      }
    }
    return worst;
  }

  std::unique_ptr<ParameterLayout> layout_;
  std::vector<at::Tensor> after_;  // the parameters at the start and after each step
  std::map<std::string, at::Tensor> expected_;
};

TEST_P(MuonReference, UpdatesAreThoseOfThePublication) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  train();
  if (test_device().is_cpu()) {
    EXPECT_LT(worst("exact", /*hidden=*/true), 1e-5);
  }
  EXPECT_LT(worst("exact", /*hidden=*/false), 1e-5);
  // torch.optim.Muon iterates in bfloat16, in which a small matrix may be nearly singular.
  EXPECT_LT(worst("torch", /*hidden=*/true), GetParam().width < 64 ? 6e-2 : 2e-2);
  EXPECT_GT(worst("torch", /*hidden=*/true), 1e-4);
  EXPECT_LT(worst("torch", /*hidden=*/false), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(
    Models, MuonReference,
    testing::Values(Case{Architecture::kGpt2, 32}, Case{Architecture::kGpt2, 96},
                    Case{Architecture::kBert, 32}, Case{Architecture::kBert, 96}),
    [](const auto& test) {
      return fmt::format("{}Width{}", describe(test.param.architecture).name, test.param.width);
    });

TEST(NewtonSchulz, SingularValuesComeNearToOne) {
  const at::NoGradGuard no_grad;
  auto random = at::make_generator<at::CPUGeneratorImpl>(3);
  for (const auto& [rows, columns] : {std::pair{2, 2}, {7, 40}, {40, 41}, {80, 80}}) {
    SCOPED_TRACE(fmt::format("{} x {}", rows, columns));
    const at::Tensor matrices =
        at::randn({3, rows, columns}, random, at::TensorOptions(at::kFloat)).to(test_device());
    const at::Tensor found = orthogonalized(matrices);
    const at::Tensor values = at::linalg_svdvals(found.cpu());
    EXPECT_LT(values.max().item<double>(), 1.25);
    // A random square matrix has one or two directions of nearly zero length.
    EXPECT_GT(values.median().item<double>(), 0.65);
    // The directions are the same: with U V^T of them, <U V^T, U S V^T> is the sum of S.
    const at::Tensor along = (found * matrices).sum({1, 2}).cpu();
    const at::Tensor sums = at::linalg_svdvals(matrices.cpu()).sum(1);
    EXPECT_TRUE((along > 0.65 * sums).all().item<bool>());
  }
}

TEST(NewtonSchulz, TogetherAndOneByOneAreTheSameToRounding) {
  const at::NoGradGuard no_grad;
  auto random = at::make_generator<at::CPUGeneratorImpl>(4);
  const at::Tensor matrices =
      at::randn({4, 12, 30}, random, at::TensorOptions(at::kFloat)).to(test_device());
  const at::Tensor together = orthogonalized(matrices);
  for (int64_t i = 0; i < 4; ++i) {
    const at::Tensor alone = orthogonalized(matrices.narrow(0, i, 1))[0];
    EXPECT_LT((alone - together[i]).norm().item<double>(),
              (test_device().is_cpu() ? 1e-5 : 2e-2) * alone.norm().item<double>());
  }
}

TEST(NewtonSchulz, ZerosStayZeros) {
  const at::Tensor zeros = at::zeros({2, 3, 5}, at::TensorOptions(test_device()));
  EXPECT_TRUE(orthogonalized(zeros).equal(zeros));
}

TEST(Muon, AnUpdateHasTheRootMeanSquareOfAdamWs) {
  const at::NoGradGuard no_grad;
  ParameterSet parameters = small_parameters(Architecture::kGpt2, 24);
  const ParameterLayout& layout = parameters.layout();
  fill_slots(parameters.gradients(), layout, 5, 1e-4);
  const Muon optimizer(MuonOptions{}, AdamWOptions{});
  OptimizerState state = optimizer.fresh_state(parameters);
  optimizer.step(parameters, state, /*lr=*/1.0);
  for (const ParameterSlot& slot : layout.slots()) {
    if (!has_hidden_matrices(slot.spec)) continue;
    const at::Tensor values = slot_view(parameters.values(), slot);
    const double rms = (values.norm() / std::sqrt(static_cast<double>(slot.size))).item<double>();
    EXPECT_GT(rms, 0.13) << slot.spec.name;
    EXPECT_LT(rms, 0.24) << slot.spec.name;
  }
}

// Returns a layout with one tensor of matrices of unequal size, or with these matrices as tensors.
std::vector<ParameterSpec> side_by_side(int64_t dimension, const std::vector<int64_t>& sizes,
                                        bool packed) {
  const auto spec = [&](const std::string& name, int64_t size) {
    return ParameterSpec{
        .name = name,
        .part = name,
        .layer = 0,
        .shape = dimension == 0 ? std::vector<int64_t>{size, 10} : std::vector<int64_t>{10, size},
        .decay = true};
  };
  std::vector<ParameterSpec> specs;
  int64_t whole = 0;
  for (const int64_t size : sizes) {
    specs.push_back(spec(fmt::format("matrix{}", specs.size()), size));
    whole += size;
  }
  if (!packed) return specs;
  ParameterSpec tensor = spec("packed", whole);
  tensor.matrices = {.dimension = dimension, .sizes = sizes};
  return {tensor};
}

TEST(Muon, MatricesOfOneTensorAreUpdatedEachByItself) {
  const at::NoGradGuard no_grad;
  for (const int64_t dimension : {0, 1}) {
    SCOPED_TRACE(dimension);
    const std::vector<int64_t> sizes = {16, 4, 4};
    ParameterSet packed(ParameterLayout(side_by_side(dimension, sizes, true)), test_device());
    ParameterSet apart(ParameterLayout(side_by_side(dimension, sizes, false)), test_device());
    const Muon optimizer(kMuon, kAdamW);
    OptimizerState packed_state = optimizer.fresh_state(packed);
    OptimizerState apart_state = optimizer.fresh_state(apart);
    const auto join = [&](const at::Tensor& buffer) {
      std::vector<at::Tensor> parts;
      for (const ParameterSlot& slot : apart.layout().slots())
        parts.push_back(slot_view(buffer, slot));
      return at::cat(parts, dimension);
    };
    const ParameterSlot& slot = packed.layout().slots().front();
    fill_slots(apart.values(), apart.layout(), 1, 0.02);
    slot_view(packed.values(), slot).copy_(join(apart.values()));
    for (uint64_t step = 0; step < 3; ++step) {
      fill_slots(apart.gradients(), apart.layout(), 10 + step, 1.0);
      slot_view(packed.gradients(), slot).copy_(join(apart.gradients()));
      optimizer.step(apart, apart_state, kLr);
      optimizer.step(packed, packed_state, kLr);
      EXPECT_TRUE(slot_view(packed.values(), slot).equal(join(apart.values())));
    }
  }
}

TEST(Muon, LeavesSlotsThatDoNotTrain) {
  const at::NoGradGuard no_grad;
  ParameterSet parameters = small_parameters(Architecture::kGpt2, 12);
  ParameterSet all = small_parameters(Architecture::kGpt2, 12);
  const ParameterLayout& layout = parameters.layout();
  const Muon optimizer(kMuon, kAdamW);
  OptimizerState state = optimizer.fresh_state(parameters);
  OptimizerState all_state = optimizer.fresh_state(all);
  for (ParameterSet* set : {&parameters, &all}) {
    fill_slots(set->values(), layout, 1, 0.02);
    fill_slots(set->gradients(), layout, 2, 1.0);
  }
  const at::Tensor before = parameters.values().clone();
  const std::vector<bool> trained = trained_slots(layout, /*frozen_layers=*/2);
  optimizer.step(parameters, state, kLr, trained);
  optimizer.step(all, all_state, kLr);
  int64_t num_hidden = 0;
  for (size_t i = 0; i < layout.slots().size(); ++i) {
    const ParameterSlot& slot = layout.slots()[i];
    SCOPED_TRACE(slot.spec.name);
    const at::Tensor found = slot_view(parameters.values(), slot);
    EXPECT_EQ(state.num_steps[i], trained[i] ? 1 : 0);
    if (!has_hidden_matrices(slot.spec)) {
      EXPECT_TRUE(found.equal(slot_view(trained[i] ? all.values() : before, slot)));
      continue;
    }
    const OptimizerState::Buffer& momentum = state.find("momentum");
    const at::Tensor own = slot_view(momentum.values, momentum.layout->slot(slot.spec.name));
    EXPECT_EQ(own.abs().sum().item<double>() > 0.0, trained[i]);
    if (!trained[i]) {
      EXPECT_TRUE(found.equal(slot_view(before, slot)));
      continue;
    }
    // Batches with fewer matrices round differently.
    EXPECT_LT((found - slot_view(all.values(), slot)).abs().max().item<double>(), 1e-4);
    EXPECT_FALSE(found.equal(slot_view(before, slot)));
    ++num_hidden;
  }
  EXPECT_EQ(num_hidden, 4);
}

TEST(Muon, BuffersHoldNoMoreThanTheyNeed) {
  const ParameterSet parameters = small_parameters(Architecture::kBert, 12);
  const OptimizerState state = Muon(kMuon, kAdamW).fresh_state(parameters);
  std::vector<std::string> names;
  int64_t elements = 0;
  for (const OptimizerState::Buffer& buffer : state.buffers) {
    names.push_back(buffer.name);
    elements += buffer.layout->num_parameters();
    EXPECT_EQ(buffer.values.numel(), buffer.layout->total_size());
  }
  EXPECT_EQ(names, (std::vector<std::string>{"exp_avg", "exp_avg_sq", "momentum"}));
  const int64_t hidden = 3 * (4 * 12 * 12 + 2 * 12 * 18);
  EXPECT_EQ(state.find("momentum").layout->num_parameters(), hidden);
  EXPECT_EQ(elements, 2 * parameters.layout().num_parameters() - hidden);
}

// Every element of every buffer is different.
OptimizerState distinct_state(const ParameterSet& parameters) {
  OptimizerState state = Muon(kMuon, kAdamW).fresh_state(parameters);
  double first = 1.0;
  for (const OptimizerState::Buffer& buffer : state.buffers) {
    for (const ParameterSlot& slot : buffer.layout->slots()) {
      slot_view(buffer.values, slot)
          .copy_(at::arange(first, first + static_cast<double>(slot.size)).view(slot.spec.shape));
      first += static_cast<double>(slot.size);
    }
  }
  for (size_t i = 0; i < state.num_steps.size(); ++i)
    state.num_steps[i] = static_cast<int64_t>(i) + 1;
  return state;
}

TEST(Muon, MomentumGrowsWithItsLayer) {
  const ParameterSet before = small_parameters(Architecture::kGpt2, 6);
  const LayerMap map = {0, 0, 1, 1, 2, kFresh};
  const ParameterLayout to(model_parameters(small_spec(Architecture::kGpt2, 6), 6));
  const OptimizerState old = distinct_state(before);
  const OptimizerState grown =
      grow_optimizer_state(old, before.layout(), to, map, OptimizerStateRule::kTransport);
  ASSERT_EQ(grown.buffers.size(), 3U);
  for (size_t i = 0; i < grown.buffers.size(); ++i) {
    const OptimizerState::Buffer& from_buffer = old.buffers[i];
    const OptimizerState::Buffer& to_buffer = grown.buffers[i];
    EXPECT_EQ(to_buffer.name, from_buffer.name);
    EXPECT_EQ(to_buffer.group, from_buffer.group);
    EXPECT_EQ(padding_sum(to_buffer.values, *to_buffer.layout), 0.0);
    for (const ParameterSlot& slot : to_buffer.layout->slots()) {
      SCOPED_TRACE(to_buffer.name + " " + slot.spec.name);
      const int64_t layer = slot.spec.layer;
      const int64_t source = layer < 0 ? layer : map[static_cast<size_t>(layer)];
      const at::Tensor found = slot_view(to_buffer.values, slot);
      if (source == kFresh && layer >= 0) {
        EXPECT_EQ(found.abs().sum().item<double>(), 0.0);
        continue;
      }
      const ParameterSlot* from = from_buffer.layout->find_part(slot.spec.part, source);
      ASSERT_NE(from, nullptr);
      EXPECT_TRUE(found.equal(slot_view(from_buffer.values, *from)));
    }
  }
}

TEST(Muon, AModelWithoutBlocksHasNoMomentumAndGrows) {
  const ParameterSet before = small_parameters(Architecture::kGpt2, 6, /*layers=*/0);
  const OptimizerState old = distinct_state(before);
  EXPECT_EQ(old.buffer("momentum").numel(), 0);
  const ParameterLayout to(model_parameters(small_spec(Architecture::kGpt2, 6), 2));
  const OptimizerState grown = grow_optimizer_state(old, before.layout(), to, {kFresh, kFresh},
                                                    OptimizerStateRule::kTransport);
  EXPECT_EQ(grown.find("momentum").layout->slots().size(), 8U);
  EXPECT_EQ(grown.buffer("momentum").abs().sum().item<double>(), 0.0);
}

}  // namespace
}  // namespace apollo
