// Our own kernels and plain operators train the same model: losses of 200 steps from one seed.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "model/made_up_model.h"
#include "support/test_device.h"

namespace apollo {
namespace {

// Plain gradient descent on batches that repeat, so that the loss falls and errors can grow.
std::vector<double> losses_of_descent(Architecture architecture, Kernels kernels) {
  const ModelSpec spec = small_spec_of(architecture, 6);
  // Steps of the gated models are larger: at 0.05 their losses jump, and then roundings grow.
  const double rate = spec.rope.theta > 0.0 ? 0.02 : 0.05;
  auto model = make_model(spec, /*num_layers=*/3, test_device());
  model->parameters().initialize(/*seed=*/7);
  std::vector<double> losses;
  for (uint64_t step = 0; step < 200; ++step) {
    model->parameters().zero_gradients();
    const DeviceBatch batch{random_tokens(spec, 4, 11, 2 * (step % 5)),
                            random_tokens(spec, 4, 11, 2 * (step % 5) + 1).flatten()};
    // Shared layers at every other step.
    const int64_t depth = step % 2 == 0 ? 3 : 5;
    const at::Tensor loss =
        model->loss_sum(batch, model->blocks(depth), {.training = true, .kernels = kernels}) / 44.0;
    loss.backward();
    losses.push_back(loss.item<double>());
    const at::NoGradGuard no_grad;
    model->parameters().values().sub_(model->parameters().gradients(), rate);
  }
  return losses;
}

TEST(Kernels, TwoHundredStepsHaveTheLossesOfPlainOperators) {
  // Two threads would wait for each other more than they work.
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  for (const Architecture architecture : kAllArchitectures) {
    const auto fused = losses_of_descent(architecture, Kernels::kFused);
    const auto plain = losses_of_descent(architecture, Kernels::kReference);
    EXPECT_LT(plain.back(), 0.9 * plain.front());
    for (size_t step = 0; step < fused.size(); ++step)
      EXPECT_NEAR(fused[step], plain[step], 1e-4) << "step " << step;
  }
  at::set_num_threads(threads);
}

}  // namespace
}  // namespace apollo
