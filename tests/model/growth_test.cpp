// Growth keeps the function: if N divides N', the grown model equals the shared one before it at
// every depth D >= N', to the bit. The weights come from real updates.
#include "model/growth.h"

#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "model/made_up_model.h"
#include "optim/adamw.h"
#include "support/test_device.h"

namespace apollo {
namespace {

constexpr LayerMapKind kKinds[] = {LayerMapKind::kInterpolate, LayerMapKind::kStack};
constexpr int64_t kFinal = 12;

void train(LanguageModel& model, int64_t num_steps) {
  const AdamW optimizer{AdamWOptions{}};
  OptimizerState state = optimizer.fresh_state(model.parameters());
  for (int64_t step = 0; step < num_steps; ++step) {
    const auto seed = static_cast<uint64_t>(step);
    const DeviceBatch batch{random_tokens(model.spec(), 4, 12, 10 + seed),
                            random_tokens(model.spec(), 4, 12, 20 + seed).flatten()};
    const int64_t depth = model.num_layers() + step * (kFinal - model.num_layers()) / num_steps;
    model.parameters().zero_gradients();
    model.loss_sum(batch, model.blocks(depth), {.training = true}).backward();
    optimizer.step(model.parameters(), state, 3e-3);
  }
}

class GrowthOf : public testing::TestWithParam<Architecture> {};

TEST_P(GrowthOf, IsExactlyFunctionPreservingWhereNDividesN) {
  for (const LayerMapKind kind : kKinds) {
    auto model = make_model(small_spec_of(GetParam(), kFinal, kind), 1, test_device());
    model->parameters().initialize(11);
    const at::Tensor inputs = random_tokens(model->spec(), 3, 12, 99);
    for (const int64_t layers : {3, 6, 12}) {
      const at::Tensor before_training = logits_at(*model, inputs, kFinal);
      train(*model, 4);
      EXPECT_GT(largest_difference(logits_at(*model, inputs, kFinal), before_training), 1e-3);
      auto grown = grow_model(*model, growth_map(kind, model->num_layers(), layers));
      ASSERT_EQ(grown->num_layers(), layers);
      for (int64_t depth = layers; depth <= kFinal + 5; ++depth) {
        EXPECT_EQ(
            largest_difference(logits_at(*grown, inputs, depth), logits_at(*model, inputs, depth)),
            0.0)
            << model->num_layers() << " -> " << layers << " at depth " << depth;
      }
      model = std::move(grown);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, GrowthOf,
                         testing::Values(Architecture::kGpt2, Architecture::kLlama,
                                         Architecture::kQwen3, Architecture::kModernBert),
                         [](const auto& info) { return std::string(enum_name(info.param)); });

TEST(Growth, ChangesTheFunctionWhereNDoesNotDivideN) {
  for (const LayerMapKind kind : kKinds) {
    const auto model = random_model(small_spec(kFinal, kind), 3);
    const at::Tensor inputs = random_tokens(model->spec(), 3, 12);
    const auto grown = grow_model(*model, growth_map(kind, 3, 5));
    double largest = 0.0;
    for (int64_t depth = 5; depth <= kFinal; ++depth) {
      largest = std::max(largest, largest_difference(logits_at(*grown, inputs, depth),
                                                     logits_at(*model, inputs, depth)));
    }
    EXPECT_GT(largest, 1e-2);
  }
}

TEST(Growth, ChangesTheFunctionWhereGrowthAndSharingUseDifferentMaps) {
  const auto model = random_model(small_spec(kFinal, LayerMapKind::kInterpolate), 3);
  const at::Tensor inputs = random_tokens(model->spec(), 3, 12);
  const auto grown = grow_model(*model, growth_map(LayerMapKind::kStack, 3, 6));
  EXPECT_GT(
      largest_difference(logits_at(*grown, inputs, kFinal), logits_at(*model, inputs, kFinal)),
      1e-2);
}

TEST(Growth, CopiesEverySlotByTheMap) {
  for (const LayerMap& map :
       {LayerMap{0, 1, 2, 1, 2}, LayerMap{0, 0, 1, 1, 2, 2}, LayerMap{2, 0, 1, 0}}) {
    const auto model = random_model(small_spec(kFinal), 3);
    const auto grown = grow_model(*model, map);
    for (const ParameterSlot& slot : grown->parameters().layout().slots()) {
      const int64_t layer = slot.spec.layer;
      const at::Tensor& source = model->parameters().part(
          slot.spec.part, layer < 0 ? -1 : map[static_cast<size_t>(layer)]);
      EXPECT_TRUE(grown->parameters().tensor(slot.spec.name).equal(source)) << slot.spec.name;
    }
    EXPECT_EQ(grown->parameters().gradients().abs().sum().item<double>(), 0.0);
    EXPECT_EQ(grown->spec(), model->spec());
  }
}

TEST(Growth, TheGrownModelSharesNoMemoryWithItsSource) {
  const auto model = random_model(small_spec(kFinal), 1);
  const auto grown = grow_model(*model, {0, 0});
  const at::NoGradGuard no_grad;
  grown->parameters().part("ln_1.weight", 0).fill_(7.0);
  EXPECT_NE(grown->parameters().part("ln_1.weight", 1)[0].item<double>(), 7.0);
  EXPECT_NE(model->parameters().part("ln_1.weight", 0)[0].item<double>(), 7.0);
}

TEST(Growth, RefusesAnotherWidth) {
  const auto model = random_model(small_spec(kFinal), 1);
  ModelSpec wide = small_spec(kFinal);
  wide.shape.width = 40;
  const ParameterLayout to(model_parameters(wide, 2));
  try {
    grow_buffer(model->parameters().values(), model->parameters().layout(), to, {0, 0});
    FAIL() << "no error";
  } catch (const CheckpointError& error) {
    EXPECT_STREQ(error.what(),
                 "growth: no source of the same shape for parameter 'transformer.wte.weight'");
  }
}

TEST(Sharing, ALayerUsedSeveralTimesReceivesTheSumOfItsGradients) {
  for (const LayerMapKind kind : kKinds) {
    const auto shared = random_model(small_spec(kFinal, kind), 3);
    const LayerMap map = sharing_map(kind, 3, 7);
    const auto unrolled = grow_model(*shared, map);
    const DeviceBatch batch{random_tokens(shared->spec(), 3, 11, 1),
                            random_tokens(shared->spec(), 3, 11, 2).flatten()};
    const auto run = [&](const LanguageModel& model) {
      const at::Tensor loss = model.loss_sum(batch, model.blocks(7), {});
      loss.backward();
      return loss.item<double>();
    };
    EXPECT_EQ(run(*shared), run(*unrolled));
    const ParameterSet& many = unrolled->parameters();
    for (const ParameterSlot& slot : shared->parameters().layout().slots()) {
      at::Tensor sum = at::zeros_like(slot_view(shared->parameters().gradients(), slot));
      if (slot.spec.layer < 0) sum += many.tensor(slot.spec.name).grad();
      for (size_t i = 0; i < map.size(); ++i) {
        if (map[i] != slot.spec.layer) continue;
        sum += many.part(slot.spec.part, static_cast<int64_t>(i)).grad();
      }
      const at::Tensor found = slot_view(shared->parameters().gradients(), slot);
      EXPECT_LT(at::linalg_vector_norm(found - sum).item<double>(),
                2e-6 * at::linalg_vector_norm(sum).item<double>())
          << slot.spec.name;
    }
  }
}

ModelSpec spec_of(Architecture architecture) {
  ModelSpec spec = small_spec(kFinal);
  spec.shape.architecture = architecture;
  return spec;
}

double change_by_identity_growth(const LanguageModel& model, LayerMapKind kind) {
  const at::Tensor inputs = random_tokens(model.spec(), 3, 12);
  const int64_t layers = model.num_layers();
  const auto grown = grow_model(model, growth_map(kind, layers, 2 * layers),
                                {.kind = NewLayers::kIdentity, .seed = 1});
  return largest_difference(logits_at(*grown, inputs, 2 * layers),
                            logits_at(model, inputs, layers));
}

TEST(IdentityGrowth, LeavesTheFunctionOfAGptToTheBit) {
  const auto model = random_model(spec_of(Architecture::kGpt2), 3);
  for (const LayerMapKind kind :
       {LayerMapKind::kInterpolate, LayerMapKind::kStack, LayerMapKind::kMiddle}) {
    EXPECT_EQ(change_by_identity_growth(*model, kind), 0.0);
  }
}

// Behind a block that adds nothing a BERT normalises once more what is normalised already: the same
// up to rounding while the norms scale by 1 and shift by 0, as they start; not afterwards.
TEST(IdentityGrowth, LeavesTheFunctionOfABertWhileItsNormsAreNew) {
  auto model = make_model(spec_of(Architecture::kBert), 3, test_device());
  model->parameters().initialize(1);
  EXPECT_LT(change_by_identity_growth(*model, LayerMapKind::kInterpolate), 2e-6);
  model = random_model(spec_of(Architecture::kBert), 3);
  EXPECT_GT(change_by_identity_growth(*model, LayerMapKind::kInterpolate), 1e-2);
}

TEST(IdentityGrowth, ClosesTheBranchesOfAddedLayersAlone) {
  for (const Architecture architecture : {Architecture::kGpt2, Architecture::kBert}) {
    const auto model = random_model(spec_of(architecture), 2);
    const LayerMap map = {0, 1, 0, 1};
    const auto grown = grow_model(*model, map, {.kind = NewLayers::kIdentity});
    int64_t num_zero = 0;
    for (const ParameterSlot& slot : grown->parameters().layout().slots()) {
      const bool is_zero =
          grown->parameters().tensor(slot.spec.name).abs().max().item<double>() == 0.0;
      EXPECT_EQ(is_zero, slot.spec.layer >= 2 && slot.spec.role == Role::kBranchOutput)
          << slot.spec.name;
      num_zero += is_zero;
    }
    EXPECT_EQ(num_zero, 2 * 4) << "two linear layers in each added one";
  }
}

TEST(RandomGrowth, FreshLayersAreThoseOfANewModel) {
  for (const Architecture architecture : {Architecture::kGpt2, Architecture::kBert}) {
    const ModelSpec spec = spec_of(architecture);
    const auto fresh = make_model(spec, 4, test_device());
    fresh->parameters().initialize(17);
    for (const int64_t layers : {0, 2}) {
      const auto model = random_model(spec, layers);
      const LayerMap map = without_copies(growth_map(LayerMapKind::kInterpolate, layers, 4));
      const auto grown = grow_model(*model, map, {.kind = NewLayers::kRandom, .seed = 17});
      for (const ParameterSlot& slot : grown->parameters().layout().slots()) {
        const int64_t layer = slot.spec.layer;
        const int64_t source = layer < 0 ? -1 : map[static_cast<size_t>(layer)];
        const at::Tensor& expected = layer >= 0 && source == kFresh
                                         ? fresh->parameters().tensor(slot.spec.name)
                                         : model->parameters().part(slot.spec.part, source);
        EXPECT_TRUE(grown->parameters().tensor(slot.spec.name).equal(expected)) << slot.spec.name;
      }
    }
  }
}

}  // namespace
}  // namespace apollo
