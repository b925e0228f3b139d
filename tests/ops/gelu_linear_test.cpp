// GELU and the product as one operator against float64, for both orders of the weight and both
// functions, on every instruction set; the place of the weight's gradient; and what is kept.
#include "ops/gelu_linear.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "ops/elementwise.h"
#include "support/test_device.h"

namespace apollo {
namespace {

at::Tensor draw(std::vector<int64_t> shape, uint64_t seed) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::empty(shape, at::kFloat).normal_(0.0, 1.0, random).to(test_device());
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  return at::linalg_vector_norm(found.to(at::kDouble) - expected).item<double>() /
         at::linalg_vector_norm(expected).item<double>();
}

struct Case {
  at::Tensor x, bias, weight;
};

Case make_case(int64_t rows, int64_t inner, int64_t out, WeightOrder order, at::ScalarType type) {
  const auto leaf = [&](const at::Tensor& value) {
    return value.to(type, /*non_blocking=*/false, /*copy=*/true).requires_grad_(true);
  };
  const at::Tensor weight_IO = draw({inner, out}, 2);
  return {leaf(draw({rows, inner}, 1)), leaf(draw({inner}, 3)),
          leaf(order == WeightOrder::kInOut ? weight_IO : weight_IO.t().contiguous())};
}

void backward_from(const at::Tensor& y) {
  (y * draw(y.sizes().vec(), 4).to(y.scalar_type())).sum().backward();
}

at::Tensor exact_result(const Case& exact, GeluKind kind, WeightOrder order) {
  const at::Tensor weight_IO = order == WeightOrder::kInOut ? exact.weight : exact.weight.t();
  const at::Tensor y = at::matmul(
      at::gelu(exact.x + exact.bias, kind == GeluKind::kTanh ? "tanh" : "none"), weight_IO);
  backward_from(y);
  return y.detach();
}

TEST(GeluLinear, ValueAndGradientsEqualFloat64) {
  for (const InstructionSet set :
       {InstructionSet::kPortable, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (!is_supported(set)) continue;
    const InstructionSetScope scope(set);
    for (const GeluKind kind : {GeluKind::kTanh, GeluKind::kErf}) {
      for (const WeightOrder order : {WeightOrder::kInOut, WeightOrder::kOutIn}) {
        for (const auto& [rows, inner, out] :
             {std::tuple{1, 1, 1}, {65, 33, 7}, {130, 64, 16}, {3, 100, 5}}) {
          const Case exact = make_case(rows, inner, out, order, at::kDouble);
          const at::Tensor y = exact_result(exact, kind, order);
          for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
            const Case made = make_case(rows, inner, out, order, at::kFloat);
            const LinearLayer layer{made.weight, at::Tensor(), order};
            const at::Tensor found =
                gelu_linear_without_bias(made.x, made.bias, kind, layer, kernels);
            EXPECT_LT(relative_error(found.detach(), y), 2e-6);
            backward_from(found);
            EXPECT_LT(relative_error(made.x.grad(), exact.x.grad()), 2e-6);
            EXPECT_LT(relative_error(made.bias.grad(), exact.bias.grad()), 2e-6);
            EXPECT_LT(relative_error(made.weight.grad(), exact.weight.grad()), 2e-6);
          }
        }
      }
    }
  }
}

TEST(GeluLinear, AddsToTheGradientThatTheWeightHas) {
  const auto gradient = [](bool has_buffer, int times) {
    const Case made = make_case(20, 12, 6, WeightOrder::kInOut, at::kFloat);
    at::Tensor weight = made.weight;
    if (has_buffer) weight.mutable_grad() = at::zeros_like(weight);
    const at::Tensor buffer = weight.grad();
    for (int i = 0; i < times; ++i) {
      backward_from(gelu_linear_without_bias(made.x, made.bias, GeluKind::kTanh,
                                             {weight, at::Tensor()}, Kernels::kFused));
    }
    if (has_buffer) EXPECT_EQ(weight.grad().data_ptr(), buffer.data_ptr());
    return weight.grad().to(at::kDouble);
  };
  const at::Tensor once = gradient(/*has_buffer=*/false, 1);
  EXPECT_LT(relative_error(gradient(/*has_buffer=*/true, 1), once), 1e-6);
  EXPECT_LT(relative_error(gradient(/*has_buffer=*/true, 3), once * 3), 1e-6);
}

TEST(GeluLinear, WithoutGradientIsTheSame) {
  const Case made = make_case(9, 20, 4, WeightOrder::kOutIn, at::kFloat);
  const LinearLayer layer{made.weight, at::Tensor(), WeightOrder::kOutIn};
  const auto run = [&] {
    return gelu_linear_without_bias(made.x, made.bias, GeluKind::kErf, layer, Kernels::kFused);
  };
  const at::Tensor with = run().detach();
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(run().equal(with));
}

}  // namespace
}  // namespace apollo
