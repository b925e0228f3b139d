#include "model/parameters.h"

#include <gtest/gtest.h>

#include <cmath>

#include "arch/counts.h"
#include "base/error.h"
#include "model/made_up_model.h"
#include "support/test_device.h"

namespace apollo {
namespace {

TEST(ParameterLayout, DecayedTensorsComeFirstAndAllAreAligned) {
  const ParameterLayout layout(model_parameters(small_spec(6), 3));
  bool seen_plain = false;
  int64_t end = 0;
  for (const ParameterSlot& slot : layout.slots()) {
    EXPECT_EQ(slot.offset % 16, 0) << slot.spec.name;
    EXPECT_GE(slot.offset, end) << slot.spec.name;
    EXPECT_LT(slot.offset, end + 16) << slot.spec.name;
    end = slot.offset + slot.size;
    EXPECT_EQ(slot.spec.decay, slot.spec.shape.size() == 2) << slot.spec.name;
    EXPECT_FALSE(seen_plain && slot.spec.decay) << slot.spec.name;
    seen_plain |= !slot.spec.decay;
  }
  EXPECT_EQ(layout.slot("transformer.h.2.mlp.c_fc.bias").size, 80);
  EXPECT_EQ(layout.find_part("mlp.c_fc.bias", 3), nullptr);
}

TEST(ParameterLayout, UnknownNamesAreErrors) {
  const auto model = make_model(small_spec(1), 1, test_device());
  const auto message = [](auto call) -> std::string {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message([&] { model->parameters().tensor("wte"); }),
            "the model has no parameter 'wte'");
  EXPECT_EQ(message([&] { model->parameters().part("ln_1.bias", 1); }),
            "layer 1 has no parameter 'ln_1.bias'");
}

TEST(ParameterLayout, CountsWhatTheFlopCounterCounts) {
  for (const ModelShape& shape : {ModelShape{Architecture::kGpt2, 12, 768, 12, 1024, 50257},
                                  ModelShape{Architecture::kGpt2, 5, 60, 4, 33, 97},
                                  ModelShape{Architecture::kGpt2, 1, 1, 1, 1, 1},
                                  ModelShape{Architecture::kGpt2, 7, 10, 1, 7, 13}}) {
    for (const int64_t layers : {int64_t{1}, int64_t{3}, shape.layers}) {
      ModelSpec spec;
      spec.shape = shape;
      EXPECT_EQ(ParameterLayout(model_parameters(spec, layers)).num_parameters(),
                num_parameters(shape, layers));
    }
  }
  // The published size of GPT-2 small.
  EXPECT_EQ(num_parameters({Architecture::kGpt2, 12, 768, 12, 1024, 50257}, 12), 124439808);
}

TEST(ParameterSet, LeavesAndGradientsAreViewsOfTheBuffers) {
  const auto model = random_model(small_spec(2), 2);
  ParameterSet& parameters = model->parameters();
  const std::string name = "transformer.h.1.attn.c_attn.weight";
  const ParameterSlot& slot = parameters.layout().slot(name);
  EXPECT_EQ(parameters.tensor(name).data_ptr(), slot_view(parameters.values(), slot).data_ptr());
  const DeviceBatch batch{random_tokens(model->spec(), 2, 5, 1),
                          random_tokens(model->spec(), 2, 5, 2).flatten()};
  model->loss_sum(batch, model->blocks(2), {}).backward();
  EXPECT_EQ(parameters.tensor(name).grad().data_ptr(),
            slot_view(parameters.gradients(), slot).data_ptr());
  const at::Tensor once = parameters.gradients().clone();
  EXPECT_GT(once.abs().sum().item<double>(), 0.0);
  model->loss_sum(batch, model->blocks(2), {}).backward();
  EXPECT_LT(largest_difference(parameters.gradients(), once * 2.0), 1e-4);
  parameters.zero_gradients();
  EXPECT_EQ(parameters.gradients().abs().sum().item<double>(), 0.0);
}

TEST(ParameterSet, WithoutGradientsItStillRuns) {
  const auto model = random_model(small_spec(2), 2);
  const at::Tensor inputs = random_tokens(model->spec(), 2, 5);
  const at::Tensor before = logits_at(*model, inputs, 2);
  model->parameters().drop_gradients();
  EXPECT_FALSE(model->parameters().gradients().defined());
  EXPECT_EQ(largest_difference(logits_at(*model, inputs, 2), before), 0.0);
}

double std_of(const LanguageModel& model, const std::string& name) {
  return model.parameters().tensor(name).std().item<double>();
}

TEST(Initialisation, IsThatOfGpt2) {
  ModelSpec spec = small_spec(12);
  spec.shape = {Architecture::kGpt2, 12, 128, 4, 64, 500};
  const auto model = make_model(spec, 3, test_device());
  model->parameters().initialize(9);
  const double residual = 0.02 / std::sqrt(2.0 * 12.0);
  EXPECT_NEAR(std_of(*model, "transformer.wte.weight"), 0.02, 4e-4);
  EXPECT_NEAR(std_of(*model, "transformer.wpe.weight"), 0.02, 8e-4);
  for (const std::string layer : {"0", "1", "2"}) {
    const std::string prefix = "transformer.h." + layer + ".";
    EXPECT_NEAR(std_of(*model, prefix + "attn.c_attn.weight"), 0.02, 4e-4);
    EXPECT_NEAR(std_of(*model, prefix + "mlp.c_fc.weight"), 0.02, 4e-4);
    EXPECT_NEAR(std_of(*model, prefix + "attn.c_proj.weight"), residual, 1e-4);
    EXPECT_NEAR(std_of(*model, prefix + "mlp.c_proj.weight"), residual, 1e-4);
    EXPECT_NEAR(model->parameters().tensor(prefix + "mlp.c_fc.weight").mean().item<double>(), 0.0,
                4e-4);
  }
  for (const ParameterSlot& slot : model->parameters().layout().slots()) {
    if (slot.spec.shape.size() > 1) continue;
    const double expected = slot.spec.name.ends_with("weight") ? 1.0 : 0.0;
    EXPECT_TRUE(slot_view(model->parameters().values(), slot).eq(expected).all().item<bool>())
        << slot.spec.name;
  }
}

// The deviation of a normal draw that is cut at two of its deviations is 0.8796 of it.
TEST(Initialisation, IsThatOfModernBert) {
  ModelSpec spec = small_spec_of(Architecture::kModernBert, 12);
  spec.shape = {Architecture::kModernBert, 12, 128, 4, 64, 500};
  spec.shape.set_inner_width(192);
  const auto model = make_model(spec, 3, test_device());
  model->parameters().initialize(9);
  constexpr double kCut = 0.87962566;
  const double residual = 0.02 / std::sqrt(2.0 * 12.0);
  for (const ParameterSlot& slot : model->parameters().layout().slots()) {
    SCOPED_TRACE(slot.spec.name);
    const at::Tensor value = slot_view(model->parameters().values(), slot);
    if (slot.spec.shape.size() == 1) {
      EXPECT_TRUE(value.eq(slot.spec.name == "decoder.bias" ? 0.0 : 1.0).all().item<bool>());
      continue;
    }
    const bool is_small =
        slot.spec.name.ends_with("Wo.weight") || slot.spec.name == "head.dense.weight";
    const double std = is_small ? residual : 0.02;
    EXPECT_NEAR(value.std().item<double>(), kCut * std, 0.02 * std);
    EXPECT_NEAR(value.mean().item<double>(), 0.0, 0.02 * std);
    const double largest = value.abs().max().item<double>();
    EXPECT_LE(largest, 2.0 * std * (1 + 1e-6));
    EXPECT_GT(largest, 1.99 * std);
  }
}

// The same draws, only wider.
TEST(Initialisation, ScalesWithInitStd) {
  for (const Architecture architecture : kAllArchitectures) {
    ModelSpec spec = small_spec_of(architecture, 12);
    const auto usual = make_model(spec, 3, test_device());
    spec.init_std = 0.08;
    const auto wide = make_model(spec, 3, test_device());
    usual->parameters().initialize(9);
    wide->parameters().initialize(9);
    for (const ParameterSlot& slot : usual->parameters().layout().slots()) {
      const bool is_drawn =
          slot.spec.init == Init::kNormal || slot.spec.init == Init::kTruncatedNormal;
      const double factor = is_drawn ? 4.0 : 1.0;
      const at::Tensor expected = usual->parameters().tensor(slot.spec.name) * factor;
      EXPECT_TRUE(wide->parameters().tensor(slot.spec.name).allclose(expected)) << slot.spec.name;
    }
  }
}

TEST(Initialisation, ALayerStartsTheSameWhateverElseTheModelHas) {
  const auto small = make_model(small_spec(12), 1, test_device());
  const auto large = make_model(small_spec(12), 12, test_device());
  small->parameters().initialize(5);
  large->parameters().initialize(5);
  for (const ParameterSlot& slot : small->parameters().layout().slots()) {
    EXPECT_TRUE(small->parameters()
                    .tensor(slot.spec.name)
                    .equal(large->parameters().tensor(slot.spec.name)))
        << slot.spec.name;
  }
  const auto& weights = large->parameters();
  EXPECT_FALSE(weights.part("mlp.c_fc.weight", 0).equal(weights.part("mlp.c_fc.weight", 1)));
  small->parameters().initialize(6);
  EXPECT_FALSE(small->parameters()
                   .tensor("transformer.wte.weight")
                   .equal(weights.tensor("transformer.wte.weight")));
}

}  // namespace
}  // namespace apollo
