// Ranks that each keep the moments of a part of the parameters together give the bits of one rank
// that keeps all.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "arch/hidden_matrices.h"
#include "model/model.h"
#include "optim/adamw.h"
#include "optim/clip.h"
#include "optim/muon.h"
#include "support/test_device.h"

namespace apollo {
namespace {

constexpr int64_t kCounts[] = {1, 2, 3, 8, 50};

// Widths of matrices that Muon iterates together (32) and one by one (odd and large ones).
ModelSpec spec_of(Architecture architecture, int64_t width) {
  ModelSpec spec;
  spec.shape = {architecture, /*layers=*/6, width, /*heads=*/2, /*context=*/5, /*vocab_size=*/37};
  spec.shape.set_inner_width(width + width / 2);
  return spec;
}

ParameterSet parameters_of(const ModelSpec& spec, int64_t layers) {
  ParameterSet parameters(ParameterLayout(model_parameters(spec, layers)), test_device());
  auto random = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(layers));
  const at::NoGradGuard no_grad;
  for (const ParameterSlot& slot : parameters.layout().slots()) {
    for (const at::Tensor& buffer : {parameters.values(), parameters.gradients()}) {
      slot_view(buffer, slot)
          .copy_(at::empty(slot.spec.shape, at::kFloat).normal_(0.0, 0.1, random));
    }
  }
  return parameters;
}

struct Case {
  OptimizerKind optimizer;
  Architecture architecture;
  int64_t width;
};

class Shares : public testing::TestWithParam<Case> {
 protected:
  Shares() {
    RunConfig::Train train;
    train.optimizer = GetParam().optimizer;
    optimizer_ = make_optimizer(train);
  }
  ModelSpec spec() const { return spec_of(GetParam().architecture, GetParam().width); }
  std::vector<OptimizerState> fresh_parts(const ParameterSet& parameters, int64_t count) const {
    std::vector<OptimizerState> states;
    for (const ElementRange& part : optimizer_->shares(parameters.layout(), count))
      states.push_back(optimizer_->fresh_state(parameters, part));
    return states;
  }

  std::unique_ptr<Optimizer> optimizer_;
};

// Returns the parts of a buffer in a row.
at::Tensor joined(const std::vector<OptimizerState>& states, const std::string& name) {
  const OptimizerState::Buffer& first = states.front().find(name);
  at::Tensor whole = at::zeros({first.layout->total_size()}, first.values.options());
  int64_t end = 0;
  for (const OptimizerState& state : states) {
    const OptimizerState::Buffer& buffer = state.find(name);
    EXPECT_EQ(buffer.begin, end) << "a gap or an overlap";
    end = buffer.part().end;
    whole.slice(0, buffer.begin, end).copy_(buffer.values);
  }
  EXPECT_EQ(end, first.layout->total_size());
  return whole;
}

TEST_P(Shares, FollowOnEachOtherAndAreAlike) {
  const ParameterLayout layout(model_parameters(spec(), 6));
  int64_t largest_matrix = 0;
  for (const ParameterSlot& slot : layout.slots()) {
    if (has_hidden_matrices(slot.spec)) largest_matrix = std::max(largest_matrix, slot.size);
  }
  for (const int64_t count : kCounts) {
    const std::vector<ElementRange> shares = optimizer_->shares(layout, count);
    ASSERT_EQ(shares.size(), static_cast<size_t>(count));
    int64_t end = 0;
    for (const ElementRange& share : shares) {
      EXPECT_EQ(share.begin, end);
      EXPECT_GE(share.end, share.begin);
      end = share.end;
      const int64_t limit = layout.total_size() / count + ParameterLayout::kAlignment;
      const bool whole_matrices = GetParam().optimizer == OptimizerKind::kMuon;
      EXPECT_LE(share.size(), limit + (whole_matrices ? largest_matrix : 0)) << count << " ranks";
    }
    EXPECT_EQ(end, layout.total_size());
  }
}

TEST_P(Shares, UpdateToTheBitsOfTheWhole) {
  const at::NoGradGuard no_grad;
  for (const int64_t count : kCounts) {
    SCOPED_TRACE(count);
    ParameterSet whole = parameters_of(spec(), 6);
    ParameterSet shared = parameters_of(spec(), 6);
    OptimizerState state = optimizer_->fresh_state(whole);
    std::vector<OptimizerState> states = fresh_parts(shared, count);
    for (int step = 0; step < 4; ++step) {
      // Slots of layers that do not train for a while have another number of steps.
      const std::vector<bool> trained = trained_slots(whole.layout(), step == 1 ? 2 : 0);
      optimizer_->step(whole, state, 0.01, trained);
      for (OptimizerState& part : states)
        optimizer_->step(shared, part, 0.01, trained);
      ASSERT_TRUE(shared.values().equal(whole.values())) << "step " << step;
    }
    for (const OptimizerState::Buffer& buffer : state.buffers)
      EXPECT_TRUE(joined(states, buffer.name).equal(buffer.values)) << buffer.name;
    for (const OptimizerState& part : states)
      EXPECT_EQ(part.num_steps, state.num_steps);
  }
}

TEST_P(Shares, GrowToTheMomentsOfTheWhole) {
  const at::NoGradGuard no_grad;
  const LayerMap map = {0, 0, 1, kFresh, 2, 2};
  for (const auto rule :
       {OptimizerStateRule::kTransport, OptimizerStateRule::kKeep, OptimizerStateRule::kReset}) {
    ParameterSet parameters = parameters_of(spec(), 3);
    OptimizerState state = optimizer_->fresh_state(parameters);
    optimizer_->step(parameters, state, 0.01);
    const ParameterLayout& from = parameters.layout();
    const ParameterLayout to(model_parameters(spec(), 6));
    const OptimizerState grown = grow_optimizer_state(state, from, to, map, rule);
    for (const int64_t count : kCounts) {
      std::vector<OptimizerState> parts;
      for (const ElementRange& part : optimizer_->shares(to, count)) {
        parts.push_back(
            grow_optimizer_state(state, from, to, map, rule, part,
                                 [](const OptimizerState::Buffer& all) { return all.values; }));
        EXPECT_EQ(parts.back().num_steps, grown.num_steps);
      }
      for (const OptimizerState::Buffer& buffer : grown.buffers)
        EXPECT_TRUE(joined(parts, buffer.name).equal(buffer.values)) << buffer.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Shares,
                         testing::Values(Case{OptimizerKind::kAdamW, Architecture::kGpt2, 10},
                                         Case{OptimizerKind::kAdamW, Architecture::kQwen3, 20},
                                         Case{OptimizerKind::kMuon, Architecture::kGpt2, 10},
                                         Case{OptimizerKind::kMuon, Architecture::kGpt2, 72},
                                         Case{OptimizerKind::kMuon, Architecture::kLlama, 20},
                                         Case{OptimizerKind::kMuon, Architecture::kBert, 10}));

TEST(MuonShares, CutNoMatrix) {
  const Muon muon(MuonOptions{}, AdamWOptions{});
  const ParameterLayout layout(model_parameters(spec_of(Architecture::kGpt2, 10), 6));
  for (const int64_t count : kCounts) {
    for (const ElementRange& share : muon.shares(layout, count)) {
      for (const ParameterSlot& slot : layout.slots()) {
        if (!has_hidden_matrices(slot.spec)) continue;
        const int64_t common = common_part(share, {slot.offset, slot.offset + slot.size}).size();
        EXPECT_TRUE(common == 0 || common == slot.size) << slot.spec.name;
      }
    }
  }
}

// Parts that consist of whole blocks have the same blocks as the whole buffer.
TEST(BlockNorms, AreTheSameInAPart) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(uint64_t{5});
  const int64_t size = 9 * kNormBlock + 123;
  const at::Tensor all = at::empty({size}, at::kFloat).normal_(0.0, 3.0, random).to(test_device());
  const at::Tensor norms = block_norms(all);
  ASSERT_EQ(norms.numel(), 10);
  for (int64_t first = 0; first <= 10; ++first) {
    for (int64_t last = first; last <= 10; ++last) {
      const at::Tensor part = all.slice(0, first * kNormBlock, std::min(size, last * kNormBlock));
      EXPECT_TRUE(block_norms(part).equal(norms.slice(0, first, last))) << first << ", " << last;
    }
  }
  EXPECT_NEAR(gradient_norm(all), all.to(at::kDouble).norm().item<double>(), 1e-3);
}

}  // namespace
}  // namespace apollo
