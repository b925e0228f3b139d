// The linear layer against float64 with both orders of its weight, and the place of gradients.
#include "ops/linear.h"
#include "support/test_device.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

namespace apollo {
namespace {

constexpr WeightOrder kOrders[] = {WeightOrder::kInOut, WeightOrder::kOutIn};

at::Tensor draw(std::vector<int64_t> shape, uint64_t seed) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::empty(shape, at::kFloat).normal_(0.0, 1.0, random).to(test_device());
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  return at::linalg_vector_norm(found.to(at::kDouble) - expected).item<double>() /
         at::linalg_vector_norm(expected).item<double>();
}

at::Tensor leaf_of(const at::Tensor& value, at::ScalarType type) {
  return value.to(type, /*non_blocking=*/false, /*copy=*/true).requires_grad_(true);
}

struct Case {
  at::Tensor x;
  LinearLayer layer;
};

Case make_case(WeightOrder order, at::ScalarType type = at::kFloat) {
  const at::Tensor weight =
      order == WeightOrder::kInOut ? draw({13, 7}, 2) : draw({13, 7}, 2).t().contiguous();
  return {leaf_of(draw({3, 5, 13}, 1), type),
          {leaf_of(weight, type), leaf_of(draw({7}, 3), type), order}};
}

// Differentiates the sum of result * weights.
at::Tensor differentiate(const Case& made, bool with_bias, Kernels kernels) {
  const at::Tensor y = with_bias ? linear(made.x, made.layer, kernels)
                                 : linear_without_bias(made.x, made.layer, kernels);
  (y * draw(y.sizes().vec(), 4).to(y.scalar_type())).sum().backward();
  return y.detach();
}

TEST(Linear, ValueAndGradientsEqualFloat64) {
  for (const WeightOrder order : kOrders) {
    for (const bool with_bias : {true, false}) {
      const Case exact = make_case(order, at::kDouble);
      const at::Tensor y = differentiate(exact, with_bias, Kernels::kReference);
      for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
        const Case made = make_case(order);
        EXPECT_LT(relative_error(differentiate(made, with_bias, kernels), y), 2e-6);
        EXPECT_LT(relative_error(made.x.grad(), exact.x.grad()), 2e-6);
        EXPECT_LT(relative_error(made.layer.weight.grad(), exact.layer.weight.grad()), 2e-6);
        EXPECT_EQ(made.layer.bias.grad().defined(), with_bias);
        if (with_bias) {
          EXPECT_LT(relative_error(made.layer.bias.grad(), exact.layer.bias.grad()), 2e-6);
        }
      }
    }
  }
}

TEST(Linear, TheValueIsTheProductPlusTheBias) {
  const Case made = make_case(WeightOrder::kOutIn, at::kDouble);
  const at::Tensor y = linear(made.x, made.layer, Kernels::kReference);
  const at::Tensor given_x = made.x.cpu();
  const at::Tensor given_weight = made.layer.weight.cpu();
  const auto x = given_x.accessor<double, 3>();
  const auto weight = given_weight.accessor<double, 2>();
  double expected = made.layer.bias[4].item<double>();
  for (int64_t i = 0; i < 13; ++i)
    expected += x[2][3][i] * weight[4][i];
  EXPECT_NEAR(y[2][3][4].item<double>(), expected, 1e-12);
}

TEST(Linear, GradientsOfASharedLayerAddUpInItsBuffer) {
  for (const WeightOrder order : kOrders) {
    const Case once = make_case(order);
    differentiate(once, /*with_bias=*/true, Kernels::kReference);
    Case shared = make_case(order);
    const at::Tensor buffer = at::zeros({100}, at::TensorOptions(test_device()));
    shared.layer.weight.mutable_grad() = buffer.narrow(0, 3, 91).view(shared.layer.weight.sizes());
    for (int use = 0; use < 2; ++use)
      differentiate(shared, /*with_bias=*/true, Kernels::kFused);
    EXPECT_LT(relative_error(buffer.narrow(0, 3, 91),
                             2.0 * once.layer.weight.grad().flatten().to(at::kDouble)),
              2e-6);
    // Nothing is written outside the layer's part.
    EXPECT_EQ(buffer.slice(0, 0, 3).abs().sum().item<float>(), 0.0F);
    EXPECT_EQ(buffer.slice(0, 94).abs().sum().item<float>(), 0.0F);
  }
}

TEST(Linear, AWeightThatIsNoLeafHandsItsGradientOn) {
  Case made = make_case(WeightOrder::kInOut);
  const at::Tensor leaf = made.layer.weight;
  leaf.mutable_grad() = at::zeros_like(leaf.detach());
  made.layer.weight = leaf * 3.0;
  differentiate(made, /*with_bias=*/true, Kernels::kFused);
  Case plain = make_case(WeightOrder::kInOut);
  const at::Tensor plain_leaf = plain.layer.weight;
  plain.layer.weight = plain_leaf * 3.0;
  differentiate(plain, /*with_bias=*/true, Kernels::kReference);
  EXPECT_LT(relative_error(leaf.grad(), plain_leaf.grad().to(at::kDouble)), 2e-6);
}

TEST(Linear, WhatNeedsNoGradientGetsNone) {
  Case made = make_case(WeightOrder::kInOut);
  made.layer.weight.requires_grad_(false);
  made.layer.weight.mutable_grad() = at::zeros_like(made.layer.weight);
  differentiate(made, /*with_bias=*/true, Kernels::kFused);
  EXPECT_EQ(made.layer.weight.grad().abs().max().item<float>(), 0.0F);
  EXPECT_TRUE(made.x.grad().defined());
  const at::NoGradGuard no_grad;
  EXPECT_FALSE(linear(made.x, made.layer, Kernels::kFused).requires_grad());
}

}  // namespace
}  // namespace apollo
