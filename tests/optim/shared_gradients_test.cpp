#include "optim/shared_gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/model.h"
#include "support/test_device.h"

namespace apollo {
namespace {

TEST(SharedGradients, AreDividedByAPowerOfTheUses) {
  ModelSpec spec;
  spec.shape = {Architecture::kGpt2, 6, 6, 2, 5, 11};
  ParameterSet parameters(ParameterLayout(model_parameters(spec, 3)), test_device());
  const at::NoGradGuard no_grad;
  parameters.gradients().fill_(1.0);
  divide_shared_gradients(parameters, {1, 4, 2}, 0.5);
  const double expected[] = {1.0, 0.5, std::sqrt(0.5)};
  for (const ParameterSlot& slot : parameters.layout().slots()) {
    const at::Tensor found = slot_view(parameters.gradients(), slot);
    const double value = slot.spec.layer < 0 ? 1.0 : expected[slot.spec.layer];
    EXPECT_NEAR(found.min().item<double>(), value, 1e-7) << slot.spec.name;
    EXPECT_NEAR(found.max().item<double>(), value, 1e-7) << slot.spec.name;
  }
}

}  // namespace
}  // namespace apollo
