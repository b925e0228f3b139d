// Blocks that are computed again in the backward pass give the same values as blocks that were
// kept, to the bit, and the same gradients, whose sums over the uses of a layer may run in another
// order.
#include "model/recompute.h"

#include <ATen/Context.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <gtest/gtest.h>

#include "model/made_up_model.h"
#include "support/test_device.h"

namespace apollo {
namespace {

struct Outcome {
  double loss = 0.0;
  at::Tensor gradients;
  double next_random = 0.0;  // what the generator gives afterwards
};

Outcome differentiate(LanguageModel& model, int64_t depth, const PassOptions& options) {
  model.parameters().zero_gradients();
  const DeviceBatch batch = model.is_causal()
                                ? DeviceBatch{random_tokens(model.spec(), 3, 9, 1),
                                              random_tokens(model.spec(), 3, 9, 2).flatten()}
                                : masked_batch(model.spec(), 3, 9);
  at::Generator generator = at::globalContext().defaultGenerator(test_device());
  generator.set_current_seed(5);
  const at::Tensor loss = model.loss_sum(batch, model.blocks(depth), options);
  loss.backward();
  return {loss.item<double>(), model.parameters().gradients().clone(),
          at::empty({1}, at::TensorOptions(test_device())).uniform_().item<double>()};
}

TEST(Recompute, GivesTheSameLossAndGradients) {
  for (const Architecture architecture : kAllArchitectures) {
    for (const double dropout : {0.0, 0.3}) {
      ModelSpec spec = small_spec_of(architecture, 12);
      spec.dropout = dropout;
      const auto model = random_model(spec, 3);
      // Every layer is used twice or more.
      const Outcome kept = differentiate(*model, 7, {.training = true});
      const Outcome again = differentiate(*model, 7, {.training = true, .recompute = true});
      EXPECT_EQ(kept.loss, again.loss);
      const double norm = at::linalg_vector_norm(kept.gradients).item<double>();
      EXPECT_GT(norm, 0.1);
      EXPECT_LT(at::linalg_vector_norm(kept.gradients - again.gradients).item<double>(),
                1e-6 * norm)
          << "architecture " << static_cast<int>(architecture) << " dropout " << dropout;
      EXPECT_EQ(kept.next_random, again.next_random);
    }
  }
}

TEST(Recompute, RunsInThePrecisionOfTheForwardPass) {
  const auto model = random_model(small_spec(3), 3);
  const PassOptions options{.training = true, .precision = Precision::kBf16};
  PassOptions again = options;
  again.recompute = true;
  const Outcome expected = differentiate(*model, 3, options);
  const Outcome found = differentiate(*model, 3, again);
  EXPECT_EQ(expected.loss, found.loss);
  // Sums over rows may run in another order.
  EXPECT_LT(at::linalg_vector_norm(expected.gradients - found.gradients).item<double>(),
            1e-6 * at::linalg_vector_norm(expected.gradients).item<double>());
}

TEST(Recompute, RunsABlockOnceMoreForTheBackwardPass) {
  int64_t runs = 0;
  const BlockFunction block = [&](const at::Tensor& x) {
    ++runs;
    return x * x;
  };
  const at::Tensor x = at::empty({2, 3, 4}, at::kFloat).uniform_().requires_grad_(true);
  run_block(block, x, /*has_dropout=*/false, {.recompute = true}).sum().backward();
  EXPECT_EQ(runs, 2);
  EXPECT_TRUE(x.grad().equal(2 * x.detach()));
  run_block(block, x, /*has_dropout=*/false, {}).sum().backward();
  EXPECT_EQ(runs, 3);
}

}  // namespace
}  // namespace apollo
