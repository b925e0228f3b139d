// Llama and Qwen3 against `transformers` in float64: logits, loss and every parameter's gradient,
// from folders that are whole, in shards, in bf16 and without a head; and the folders that Apollo
// writes.
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "model/growth.h"
#include "model/hf_folder.h"
#include "model/made_up_model.h"
#include "model/safetensors.h"
#include "model/transformers_logits.h"
#include "ops/rotation.h"
#include "support/python_original.h"
#include "support/test_device.h"

namespace apollo {
namespace {

constexpr const char* kNames[] = {"llama", "llama_tied", "llama_scaled", "qwen3", "qwen3_tied"};

class RotaryDecoderParity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!has_venv_python()) return;
    folder_ = std::make_unique<TempDir>();
    run_python("tests/model/hf_reference.py", "make_decoders '" + folder_->path().string() + "'");
  }
  static void TearDownTestSuite() { folder_.reset(); }
  void SetUp() override { APOLLO_SKIP_WITHOUT_PYTHON(); }

  static std::map<std::string, at::Tensor> reference(const std::string& name) {
    std::map<std::string, at::Tensor> tensors;
    for (auto& [key, tensor] : read_safetensors(*folder_ / (name + ".safetensors")).tensors)
      tensors.emplace(key, tensor);
    return tensors;
  }

  // For parameters that a folder stores as several tensors, one above the other.
  static at::Tensor gradient_of(const std::map<std::string, at::Tensor>& expected,
                                const ParameterSpec& spec) {
    if (spec.pieces.empty()) return expected.at("grad." + spec.name);
    std::vector<at::Tensor> pieces;
    for (const std::string& piece : spec.pieces)
      pieces.push_back(expected.at("grad." + piece));
    return at::cat(pieces);
  }

  static std::unique_ptr<TempDir> folder_;
};

std::unique_ptr<TempDir> RotaryDecoderParity::folder_;

TEST_F(RotaryDecoderParity, LogitsAndLossEqualTransformers) {
  for (const std::string name : kNames) {
    const auto expected = reference(name);
    for (const std::string suffix : {"", ".sharded"}) {
      const auto model = load_hf_model(*folder_ / (name + suffix), test_device());
      const LayerMap blocks = model->blocks(model->num_layers());
      for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
        SCOPED_TRACE(name + suffix);
        const PassOptions options{.kernels = kernels};
        const at::NoGradGuard no_grad;
        const at::Tensor inputs = expected.at("inputs").to(test_device());
        const at::Tensor logits = model->logits({inputs}, blocks, options);
        ASSERT_EQ(logits.sizes(), expected.at("logits").sizes());
        // transformers computes norms in float32 even in a float64 model, and some logits are above
        // 5.
        const double size = expected.at("logits").abs().max().item<double>();
        EXPECT_LT(largest_difference(logits, expected.at("logits")), 1e-5 * std::max(1.0, size));
        const DeviceBatch batch{inputs, expected.at("targets").flatten().to(test_device())};
        const double mean = model->loss_sum(batch, blocks, options).item<double>() /
                            static_cast<double>(inputs.numel());
        EXPECT_NEAR(mean, expected.at("loss").item<double>(), 1e-5);
      }
    }
  }
}

TEST_F(RotaryDecoderParity, AFolderInBf16HasItsLogits) {
  for (const std::string name : kNames) {
    SCOPED_TRACE(name);
    const auto expected = reference(name);
    const auto model = load_hf_model(*folder_ / (name + ".bf16"), test_device());
    const at::NoGradGuard no_grad;
    const at::Tensor logits = model->logits({expected.at("inputs").to(test_device())},
                                            model->blocks(model->num_layers()), {});
    const double size = expected.at("bf16_logits").abs().max().item<double>();
    EXPECT_LT(largest_difference(logits, expected.at("bf16_logits")), 1e-5 * std::max(1.0, size));
    EXPECT_EQ(read_folder_rest(*folder_ / (name + ".bf16")).dtype, at::kBFloat16);
  }
}

TEST_F(RotaryDecoderParity, ABareModelHasTheBody) {
  for (const std::string name : kNames) {
    SCOPED_TRACE(name);
    const auto whole = load_hf_model(*folder_ / name, test_device());
    const bool tied = whole->spec().shape.tied;
    const auto bare =
        load_hf_model(*folder_ / (name + ".bare"), test_device(), {.needs_head = tied});
    for (const ParameterSlot& slot : whole->parameters().layout().slots()) {
      if (slot.spec.name.starts_with("lm_head.")) continue;
      EXPECT_TRUE(bare->parameters()
                      .tensor(slot.spec.name)
                      .equal(whole->parameters().tensor(slot.spec.name)))
          << slot.spec.name;
    }
  }
}

TEST_F(RotaryDecoderParity, EveryGradientEqualsTransformers) {
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
      size_t compared = 0;
      for (const ParameterSlot& slot : model->parameters().layout().slots()) {
        const at::Tensor exact = gradient_of(expected, slot.spec);
        const at::Tensor found = slot_view(model->parameters().gradients(), slot).cpu();
        const double scale = at::linalg_vector_norm(exact).item<double>();
        EXPECT_LT(at::linalg_vector_norm(found.to(at::kDouble) - exact).item<double>(),
                  1e-5 * scale + 1e-9)
            << name << " " << slot.spec.name;
        compared += std::max<size_t>(1, slot.spec.pieces.size());
      }
      EXPECT_EQ(compared, expected.size() - 5) << "a gradient is left over";
    }
  }
}

TEST_F(RotaryDecoderParity, FoldersOfApolloLoadInTransformersAndHere) {
  const TempDir temp;
  std::vector<std::filesystem::path> folders;
  std::vector<at::Tensor> logits;
  const at::Tensor inputs = random_tokens(small_spec(4), 3, 12);
  for (const Architecture architecture : {Architecture::kLlama, Architecture::kQwen3}) {
    for (const bool tied : {false, true}) {
      ModelSpec spec = small_spec_of(architecture, 4, LayerMapKind::kStack);
      spec.shape.tied = tied;
      spec.dropout = 0.25;
      spec.rope = {.theta = 500.0};
      if (tied) spec.rope.scaling = RopeScaling{4.0, 1.0, 4.0, 8};
      const auto model = random_model(spec, 4);
      const auto folder = temp / fmt::format("{}-{}", enum_name(architecture), tied);
      std::filesystem::create_directory(folder);
      save_hf_model(*model, folder, {.bos = 1, .eos = 2});
      const auto loaded = load_hf_model(folder, test_device());
      EXPECT_EQ(loaded->spec(), spec);
      EXPECT_TRUE(loaded->parameters().values().equal(model->parameters().values()));
      folders.push_back(folder);
      logits.push_back(logits_at(*model, inputs, 4));
    }
  }
  const std::vector<at::Tensor> theirs = transformers_logits64(folders, inputs);
  for (size_t i = 0; i < folders.size(); ++i)
    EXPECT_LT(largest_difference(theirs[i], logits[i]), 1e-5) << folders[i];
}

// The constants of Llama 3.1; its 8B model has wavelengths in all three ranges.
TEST(Rope, Llama3ScalingDividesLowFrequenciesAndKeepsHighOnes) {
  const Rope plain{.theta = 500000.0};
  Rope scaled = plain;
  scaled.scaling = RopeScaling{8.0, 1.0, 4.0, 8192};
  const at::Tensor before = rotation_frequencies(plain, 128);
  const at::Tensor ratio = (before / rotation_frequencies(scaled, 128)).to(at::kDouble);
  const at::Tensor wavelengths = before.to(at::kDouble).reciprocal() * 6.283185307179586;
  int64_t between = 0;
  for (int64_t i = 0; i < 64; ++i) {
    const double wavelength = wavelengths[i].item<double>();
    const double found = ratio[i].item<double>();
    if (wavelength < 2048.0) {
      EXPECT_EQ(found, 1.0) << i;
    } else if (wavelength > 8192.0) {
      EXPECT_NEAR(found, 8.0, 1e-5) << i;
    } else {
      const double share = (8192.0 / wavelength - 1.0) / 3.0;
      EXPECT_NEAR(found, 1.0 / ((1.0 - share) / 8.0 + share), 1e-4) << i;
      ++between;
    }
  }
  EXPECT_GT(between, 2);
}

TEST(RotaryDecoder, NewLayersWithoutOutputChangeNothing) {
  for (const Architecture architecture : {Architecture::kLlama, Architecture::kQwen3}) {
    const auto model = random_model(small_spec_of(architecture, 6), 3);
    const at::Tensor inputs = random_tokens(model->spec(), 2, 9);
    const auto grown = grow_model(*model, {0, 0, 1, 1, 2, 2}, {.kind = NewLayers::kIdentity});
    EXPECT_EQ(largest_difference(logits_at(*grown, inputs, 6), logits_at(*model, inputs, 3)), 0.0);
  }
}

TEST(RotaryDecoder, RefusesSizesThatCannotBe) {
  const auto message = [](const ModelSpec& spec) -> std::string {
    try {
      make_model(spec, 1, test_device());
    } catch (const UsageError& error) {
      return error.what();
    }
    return "no error";
  };
  ModelSpec spec = small_spec_of(Architecture::kLlama, 2);
  spec.shape.kv = 3;
  EXPECT_EQ(message(spec), "heads of keys and values must divide heads (got 3 and 4)");
  spec = small_spec_of(Architecture::kQwen3, 2);
  spec.shape.head = 5;
  EXPECT_EQ(message(spec), "rotation takes heads of an even width (got 5)");
}

}  // namespace
}  // namespace apollo
