// Passes of which a part runs forward only, and passes with scaled branches, against their plain
// equivalents, for all architectures.
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "model/made_up_model.h"
#include "model/model.h"

namespace apollo {
namespace {

constexpr int64_t kLayers = 4;

class PassOptionsTest : public testing::TestWithParam<Architecture> {
 protected:
  PassOptionsTest() {
    const ModelSpec spec = small_spec_of(GetParam(), kLayers);
    model_ = random_model(spec, kLayers);
    batch_ = model_->is_causal() ? DeviceBatch{random_tokens(spec, 3, 12, 1),
                                               random_tokens(spec, 3, 12, 2).flatten()}
                                 : masked_batch(spec, 3, 12);
  }

  // Returns the name of the embedding if it is also the output layer; else empty.
  std::string tied_embedding() const {
    for (const ParameterSlot& slot : model_->parameters().layout().slots()) {
      const bool is_embedding = slot.spec.name.find("wte.") != std::string::npos ||
                                slot.spec.name.find("word_embeddings.") != std::string::npos ||
                                slot.spec.name.find("embed_tokens.") != std::string::npos ||
                                slot.spec.name.find("tok_embeddings.") != std::string::npos;
      if (is_embedding && model_->spec().shape.tied) return slot.spec.name;
    }
    return "";
  }

  double backward(const PassOptions& options) {
    model_->parameters().zero_gradients();
    const at::Tensor loss = model_->loss_sum(batch_, model_->blocks(kLayers), options);
    loss.backward();
    return loss.item<double>();
  }

  std::unique_ptr<LanguageModel> model_;
  DeviceBatch batch_;
};

TEST_P(PassOptionsTest, GradientsAboveFrozenBlocksAreThoseOfTheWholePass) {
  for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
    for (const bool recompute : {false, true}) {
      PassOptions options{.kernels = kernels, .recompute = recompute};
      const double loss = backward(options);
      const at::Tensor whole = model_->parameters().gradients().clone();
      options.frozen_blocks = 3;
      EXPECT_NEAR(backward(options), loss, 1e-4);
      for (const ParameterSlot& slot : model_->parameters().layout().slots()) {
        SCOPED_TRACE(slot.spec.name);
        const at::Tensor found = slot_view(model_->parameters().gradients(), slot);
        const at::Tensor expected = slot_view(whole, slot);
        const double size = at::linalg_vector_norm(expected).item<double>();
        if (slot.spec.layer == 3 ||
            (slot.spec.role == Role::kHead && slot.spec.name != tied_embedding())) {
          EXPECT_GT(size, 0.0);
          EXPECT_LT(at::linalg_vector_norm(found - expected).item<double>(), 1e-4 * size + 1e-6);
        } else if (slot.spec.name == tied_embedding()) {
          // Only the gradient of the output layer's use.
          EXPECT_GT(at::linalg_vector_norm(found).item<double>(), 0.0);
          EXPECT_GT(at::linalg_vector_norm(found - expected).item<double>(), 1e-3 * size);
        } else {
          EXPECT_EQ(at::linalg_vector_norm(found).item<double>(), 0.0);
        }
      }
    }
  }
}

TEST_P(PassOptionsTest, TheTiedMatrixGetsTheGradientOfTheOutputAlone) {
  // The use as input layer reaches only the rows of the input's tokens; here that is one.
  if (!model_->spec().shape.tied) GTEST_SKIP() << "the output layer has its own matrix";
  batch_.inputs_BT = at::zeros_like(batch_.inputs_BT);
  backward({.frozen_blocks = kLayers});
  const at::Tensor frozen = model_->parameters().tensor(tied_embedding()).grad().clone();
  backward({});
  const at::Tensor whole = model_->parameters().tensor(tied_embedding()).grad();
  for (int64_t token = 1; token < 31; ++token) {
    EXPECT_LT(largest_difference(frozen[token], whole[token]), 1e-5) << token;
  }
  EXPECT_GT(largest_difference(frozen[0], whole[0]), 1e-3) << "the only token of the input";
}

TEST_P(PassOptionsTest, ScaledBranchesAreThoseOfScaledProjections) {
  const double factor = 1.7;
  const auto scaled = random_model(model_->spec(), kLayers);
  {
    const at::NoGradGuard no_grad;
    for (const ParameterSlot& slot : scaled->parameters().layout().slots()) {
      if (slot.spec.role != Role::kBranchOutput) continue;
      slot_view(scaled->parameters().values(), slot).mul_(factor);
    }
  }
  for (const bool recompute : {false, true}) {
    const at::Tensor expected = scaled->loss_sum(batch_, scaled->blocks(kLayers), {});
    EXPECT_NEAR(backward({.recompute = recompute, .branch_scale = factor}), expected.item<double>(),
                1e-3);
  }
  EXPECT_GT(std::abs(backward({}) - backward({.branch_scale = factor})), 1e-2);
}

TEST_P(PassOptionsTest, AModelWithoutLayersRuns) {
  const auto model = random_model(model_->spec(), 0);
  for (const bool recompute : {false, true}) {
    model->parameters().zero_gradients();
    const at::Tensor loss = model->loss_sum(batch_, model->blocks(0), {.recompute = recompute});
    loss.backward();
    EXPECT_GT(loss.item<double>(), 0.0);
    EXPECT_GT(at::linalg_vector_norm(model->parameters().gradients()).item<double>(), 0.0);
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, PassOptionsTest, testing::ValuesIn(kAllArchitectures),
                         [](const auto& info) { return std::string(enum_name(info.param)); });

}  // namespace
}  // namespace apollo
