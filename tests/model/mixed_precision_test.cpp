// bf16 on the CPU by our own kernels: loss and gradients of every architecture are as near to those
// of float32 as LibTorch's automatic mixed precision comes, recomputation changes nothing but the
// order of sums, and a processor without bf16 is refused.
#include <ATen/ops/linalg_vector_norm.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/machine.h"
#include "model/made_up_model.h"
#include "support/test_device.h"

namespace apollo {
namespace {

struct Outcome {
  double loss = 0.0;
  at::Tensor gradients;
};

DeviceBatch batch_of(const LanguageModel& model) {
  return model.is_causal() ? DeviceBatch{random_tokens(model.spec(), 3, 9, 1),
                                         random_tokens(model.spec(), 3, 9, 2).flatten()}
                           : masked_batch(model.spec(), 3, 9);
}

Outcome differentiate(LanguageModel& model, const PassOptions& options) {
  model.parameters().zero_gradients();
  const at::Tensor loss = model.loss_sum(batch_of(model), model.blocks(5), options);
  loss.backward();
  return {loss.item<double>(), model.parameters().gradients().clone()};
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  return at::linalg_vector_norm(found - expected).item<double>() /
         at::linalg_vector_norm(expected).item<double>();
}

TEST(MixedPrecisionModel, IsNearFloat32) {
  for (const Architecture architecture : kAllArchitectures) {
    for (const double dropout : {0.0, 0.3}) {
      SCOPED_TRACE(testing::Message() << static_cast<int>(architecture) << " " << dropout);
      ModelSpec spec = small_spec_of(architecture, 12);
      spec.dropout = dropout;
      const auto model = random_model(spec, 3);
      PassOptions options{.training = true, .dropout_key = 5};
      const Outcome exact = differentiate(*model, options);
      options.precision = Precision::kBf16;
      const Outcome found = differentiate(*model, options);
      EXPECT_EQ(found.gradients.scalar_type(), at::kFloat);
      EXPECT_NE(found.loss, exact.loss);
      EXPECT_NEAR(found.loss / exact.loss, 1.0, 2e-2);
      // How far bf16 leads astray is the model's matter: LibTorch's own mixed precision says.
      options.kernels = Kernels::kReference;
      const double theirs =
          relative_error(differentiate(*model, options).gradients, exact.gradients);
      EXPECT_LT(relative_error(found.gradients, exact.gradients), 1.5 * theirs);
      EXPECT_LT(theirs, 0.15);  // Qwen3, whose norms of heads pass on relative errors
    }
  }
}

TEST(MixedPrecisionModel, RepeatsItsBitsAndMayComputeBlocksAgain) {
  for (const Architecture architecture : kAllArchitectures) {
    ModelSpec spec = small_spec_of(architecture, 12);
    spec.dropout = 0.3;
    const auto model = random_model(spec, 3);
    const PassOptions options{.training = true, .precision = Precision::kBf16, .dropout_key = 5};
    const Outcome first = differentiate(*model, options);
    const Outcome second = differentiate(*model, options);
    EXPECT_EQ(first.loss, second.loss);
    EXPECT_TRUE(first.gradients.equal(second.gradients));
    PassOptions again = options;
    again.recompute = true;
    const Outcome recomputed = differentiate(*model, again);
    EXPECT_EQ(recomputed.loss, first.loss);
    EXPECT_LT(relative_error(recomputed.gradients, first.gradients), 1e-5)
        << static_cast<int>(architecture);
  }
}

TEST(MixedPrecisionModel, ScoresAndLogitsAreThoseOfTheLoss) {
  for (const Architecture architecture : kAllArchitectures) {
    const auto model = random_model(small_spec_of(architecture, 12), 3);
    const PassOptions options{.precision = Precision::kBf16};
    const DeviceBatch batch = batch_of(*model);
    const double loss = model->loss_sum(batch, model->blocks(5), options).item<double>();
    const at::Tensor scores =
        model->score_targets(batch, model->blocks(5), options).log_probability_M;
    EXPECT_NEAR(-scores.sum().item<double>() / loss, 1.0, 1e-3);
    const at::Tensor logits_MV = model->target_logits(batch, model->blocks(5), options);
    EXPECT_EQ(logits_MV.scalar_type(), at::kFloat);
    const at::Tensor log_p_M =
        logits_MV.log_softmax(1).gather(1, batch.targets_M.unsqueeze(1)).squeeze(1);
    EXPECT_LT(relative_error(log_p_M, scores), 1e-3);
  }
}

TEST(MixedPrecisionModel, AProcessorWithoutBf16IsRefused) {
  const at::Device cpu(at::kCPU);
  check_precision(Precision::kBf16, cpu, /*cpu_has_bf16=*/true);
  check_precision(Precision::kFp32, cpu, /*cpu_has_bf16=*/false);
  check_precision(Precision::kBf16, at::Device(at::kCUDA), /*cpu_has_bf16=*/false);
  try {
    check_precision(Precision::kBf16, cpu, /*cpu_has_bf16=*/false);
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_EQ(std::string(error.what()),
              "train.precision = \"bf16\": expected a processor that multiplies bf16 (AVX512_BF16 "
              "or AMX), found " +
                  processor_name() + " without; hint: train.precision = \"fp32\", or a GPU");
  }
}

}  // namespace
}  // namespace apollo
