// GPT-2 against `transformers` in float64: logits, loss and every parameter's gradient.
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log_softmax.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "model/hf_folder.h"
#include "model/made_up_model.h"
#include "model/safetensors.h"
#include "ops/dropout.h"
#include "support/python_original.h"
#include "support/test_device.h"

namespace apollo {
namespace {

constexpr const char* kNames[] = {"five_layers", "one_head", "one_token", "wide_context"};

class Gpt2Parity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!has_venv_python()) return;
    folder_ = std::make_unique<TempDir>();
    run_python("tests/model/hf_reference.py", "make '" + folder_->path().string() + "'");
  }
  static void TearDownTestSuite() { folder_.reset(); }
  void SetUp() override { APOLLO_SKIP_WITHOUT_PYTHON(); }

  static std::map<std::string, at::Tensor> reference(const std::string& name) {
    std::map<std::string, at::Tensor> tensors;
    for (auto& [key, tensor] : read_safetensors(*folder_ / (name + ".safetensors")).tensors)
      tensors.emplace(key, tensor);
    return tensors;
  }

  static std::unique_ptr<TempDir> folder_;
};

std::unique_ptr<TempDir> Gpt2Parity::folder_;

TEST_F(Gpt2Parity, LogitsAndLossEqualTransformers) {
  for (const std::string name : kNames) {
    const auto expected = reference(name);
    for (const std::string suffix : {"", ".bare"}) {
      const auto model = load_hf_model(*folder_ / (name + suffix), test_device());
      const LayerMap blocks = model->blocks(model->num_layers());
      for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
        SCOPED_TRACE(name + suffix);
        const PassOptions options{.kernels = kernels};
        const at::NoGradGuard no_grad;
        const at::Tensor inputs = expected.at("inputs").to(test_device());
        const at::Tensor logits = model->logits({inputs}, blocks, options);
        ASSERT_EQ(logits.sizes(), expected.at("logits").sizes());
        EXPECT_LT(largest_difference(logits, expected.at("logits")), 1e-5);
        const DeviceBatch batch{inputs, expected.at("targets").flatten().to(test_device())};
        const double mean = model->loss_sum(batch, blocks, options).item<double>() /
                            static_cast<double>(inputs.numel());
        EXPECT_NEAR(mean, expected.at("loss").item<double>(), 1e-5);
      }
    }
  }
}

TEST_F(Gpt2Parity, EveryGradientEqualsTransformers) {
  for (const std::string name : kNames) {
    const auto expected = reference(name);
    const auto model = load_hf_model(*folder_ / name, test_device());
    const DeviceBatch batch{expected.at("inputs").to(test_device()),
                            expected.at("targets").flatten().to(test_device())};
    for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
      model->parameters().zero_gradients();
      const at::Tensor loss =
          model->loss_sum(batch, model->blocks(model->num_layers()), {.kernels = kernels});
      (loss / static_cast<double>(batch.inputs_BT.numel())).backward();
      int64_t compared = 0;
      for (const ParameterSlot& slot : model->parameters().layout().slots()) {
        const at::Tensor& exact = expected.at("grad." + slot.spec.name);
        const at::Tensor found = slot_view(model->parameters().gradients(), slot).cpu();
        const double scale = at::linalg_vector_norm(exact).item<double>();
        EXPECT_LT(at::linalg_vector_norm(found.to(at::kDouble) - exact).item<double>(),
                  1e-5 * scale + 1e-9)
            << name << " " << slot.spec.name;
        ++compared;
      }
      EXPECT_EQ(compared, static_cast<int64_t>(expected.size()) - 4) << "a gradient is left over";
    }
  }
}

TEST_F(Gpt2Parity, ShardedFolderLoads) {
  ASSERT_TRUE(std::filesystem::exists(*folder_ / "sharded/model.safetensors.index.json"));
  const auto model = load_hf_model(*folder_ / "sharded", test_device());
  EXPECT_EQ(model->num_layers(), 4);
  for (const ParameterSlot& slot : model->parameters().layout().slots()) {
    EXPECT_GT(slot_view(model->parameters().values(), slot).abs().max().item<double>(), 0.0)
        << slot.spec.name;
  }
}

TEST(Gpt2, LogProbabilityIsThatOfTheLogits) {
  const auto model = random_model(small_spec(4), 2);
  const DeviceBatch batch{random_tokens(model->spec(), 3, 9, 1),
                          random_tokens(model->spec(), 3, 9, 2).flatten()};
  const at::Tensor log_p = model->score_targets(batch, model->blocks(4), {}).log_probability_M;
  const at::Tensor all = at::log_softmax(logits_at(*model, batch.inputs_BT, 4), 2);
  const at::Tensor expected = all.flatten(0, 1).gather(1, batch.targets_M.unsqueeze(1)).squeeze(1);
  EXPECT_LT(largest_difference(log_p, expected), 1e-5);
}

TEST(Gpt2, DropoutActsInTrainingAlone) {
  ModelSpec spec = small_spec(2);
  spec.dropout = 0.3;
  const auto model = random_model(spec, 2);
  const at::Tensor inputs = random_tokens(spec, 2, 8);
  const at::NoGradGuard no_grad;
  const auto run = [&](bool training, uint64_t key, Kernels kernels = Kernels::kFused) {
    seed_dropout(test_device(), key);
    return model->logits({inputs}, model->blocks(2),
                         {.training = training, .kernels = kernels, .dropout_key = key});
  };
  EXPECT_EQ(largest_difference(run(false, 1), run(false, 2)), 0.0);
  EXPECT_EQ(largest_difference(run(true, 1), run(true, 1)), 0.0);
  EXPECT_GT(largest_difference(run(true, 1), run(true, 2)), 1e-3);
  if (!test_device().is_cpu()) return;  // there the device's generator draws for each form
  EXPECT_LT(largest_difference(run(true, 1), run(true, 1, Kernels::kReference)), 1e-5);
}

TEST(Gpt2, Bfloat16IsNearFloat32AndGradientsStayFloat32) {
  const auto model = random_model(small_spec(3), 3);
  const DeviceBatch batch{random_tokens(model->spec(), 3, 9, 1),
                          random_tokens(model->spec(), 3, 9, 2).flatten()};
  const auto run = [&](Precision precision) {
    model->parameters().zero_gradients();
    const at::Tensor loss =
        model->loss_sum(batch, model->blocks(3), {.precision = precision}) / 27.0;
    loss.backward();
    return std::pair(loss.item<double>(), model->parameters().gradients().clone());
  };
  const auto [loss, gradients] = run(Precision::kFp32);
  const auto [rough_loss, rough_gradients] = run(Precision::kBf16);
  EXPECT_EQ(rough_gradients.scalar_type(), at::kFloat);
  EXPECT_NE(loss, rough_loss);
  EXPECT_NEAR(rough_loss / loss, 1.0, 2e-2);
  const double error = at::linalg_vector_norm(rough_gradients - gradients).item<double>() /
                       at::linalg_vector_norm(gradients).item<double>();
  EXPECT_LT(error, 5e-2);
}

TEST(Gpt2, RefusesASequenceBeyondItsContext) {
  const auto model = random_model(small_spec(1), 1);
  try {
    logits_at(*model, random_tokens(model->spec(), 1, 13), 1);
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "a sequence of 13 tokens does not fit the context of 12");
  }
}

TEST(Gpt2, RefusesSizesThatCannotBe) {
  const auto message = [](const ModelSpec& spec, int64_t layers) -> std::string {
    try {
      make_model(spec, layers, test_device());
    } catch (const UsageError& error) {
      return error.what();
    }
    return "no error";
  };
  ModelSpec spec = small_spec(2);
  spec.shape.heads = 3;
  EXPECT_EQ(message(spec, 1), "heads must divide width (got width 20, heads 3)");
  EXPECT_EQ(message(small_spec(2), -1),
            "model sizes must be positive (got layers -1, width 20, heads 2, context 12, "
            "vocabulary 31)");
}

}  // namespace
}  // namespace apollo
