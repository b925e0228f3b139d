// SwiGLU and GeGLU, alone and with the product after it, against float64 on every instruction set,
// for both orders of the weight; and the place of the weight's gradient.
#include "ops/gated_linear.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "ops/row_kernels.h"
#include "support/test_device.h"

namespace apollo {
namespace {

at::Tensor draw(std::vector<int64_t> shape, uint64_t seed, double std = 1.0) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::empty(shape, at::kFloat).normal_(0.0, std, random).to(test_device());
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  return at::linalg_vector_norm(found.to(at::kDouble) - expected).item<double>() /
         at::linalg_vector_norm(expected).item<double>();
}

struct Case {
  at::Tensor x, weight;
};

Case make_case(int64_t rows, int64_t inner, int64_t out, WeightOrder order, at::ScalarType type) {
  const auto leaf = [&](const at::Tensor& value) {
    return value.to(type, /*non_blocking=*/false, /*copy=*/true).requires_grad_(true);
  };
  const at::Tensor weight_IO = draw({inner, out}, 2);
  // Some gates are far from 0, where the exponential overflows or vanishes.
  return {leaf(draw({rows, 2 * inner}, 1, 4.0)),
          leaf(order == WeightOrder::kInOut ? weight_IO : weight_IO.t().contiguous())};
}

void backward_from(const at::Tensor& y) {
  (y * draw(y.sizes().vec(), 4).to(y.scalar_type())).sum().backward();
}

// The formula itself.
at::Tensor exact_gated(const at::Tensor& x, GateKind kind) {
  const int64_t inner = x.size(-1) / 2;
  const at::Tensor gate = x.narrow(-1, 0, inner);
  const at::Tensor activated = kind == GateKind::kSilu
                                   ? gate / (1.0 + at::exp(-gate))
                                   : gate * (1.0 + at::erf(gate / std::sqrt(2.0))) * 0.5;
  return activated * x.narrow(-1, inner, inner);
}

constexpr GateKind kKinds[] = {GateKind::kSilu, GateKind::kGelu};

void for_all_sets(const std::function<void(GateKind)>& body) {
  for (const InstructionSet set :
       {InstructionSet::kPortable, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (!is_supported(set)) continue;
    for (const GateKind kind : kKinds) {
      SCOPED_TRACE(testing::Message()
                   << "set " << static_cast<int>(set) << " gate " << static_cast<int>(kind));
      const InstructionSetScope scope(set);
      body(kind);
    }
  }
}

constexpr std::tuple<int64_t, int64_t, int64_t> kSizes[] = {
    {1, 1, 1}, {65, 33, 7}, {130, 64, 16}, {3, 100, 5}};

TEST(Gated, ValueAndGradientEqualFloat64) {
  for_all_sets([](GateKind kind) {
    for (const auto& [rows, inner, out] : kSizes) {
      const Case exact = make_case(rows, inner, out, WeightOrder::kInOut, at::kDouble);
      const at::Tensor y = exact_gated(exact.x, kind);
      backward_from(y);
      for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
        const Case made = make_case(rows, inner, out, WeightOrder::kInOut, at::kFloat);
        const at::Tensor found = gated(made.x, kind, kernels);
        EXPECT_EQ(found.size(-1), inner);
        EXPECT_LT(relative_error(found.detach(), y.detach()), 2e-6);
        backward_from(found);
        EXPECT_LT(relative_error(made.x.grad(), exact.x.grad()), 2e-6);
      }
    }
  });
}

TEST(GatedLinear, ValueAndGradientsEqualFloat64) {
  for_all_sets([](GateKind kind) {
    for (const WeightOrder order : {WeightOrder::kInOut, WeightOrder::kOutIn}) {
      for (const auto& [rows, inner, out] : kSizes) {
        const Case exact = make_case(rows, inner, out, order, at::kDouble);
        const at::Tensor weight_IO = order == WeightOrder::kInOut ? exact.weight : exact.weight.t();
        const at::Tensor y = at::matmul(exact_gated(exact.x, kind), weight_IO);
        backward_from(y);
        for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
          const Case made = make_case(rows, inner, out, order, at::kFloat);
          const at::Tensor found = gated_linear_without_bias(
              made.x, kind, {.weight = made.weight, .order = order}, kernels);
          EXPECT_LT(relative_error(found.detach(), y.detach()), 2e-6);
          backward_from(found);
          EXPECT_LT(relative_error(made.x.grad(), exact.x.grad()), 2e-6);
          EXPECT_LT(relative_error(made.weight.grad(), exact.weight.grad()), 2e-6);
        }
      }
    }
  });
}

TEST(GatedLinear, AddsToTheGradientThatTheWeightHas) {
  const auto gradient = [](GateKind kind, bool has_buffer, int times) {
    const Case made = make_case(20, 12, 6, WeightOrder::kOutIn, at::kFloat);
    at::Tensor weight = made.weight;
    if (has_buffer) weight.mutable_grad() = at::zeros_like(weight);
    const at::Tensor buffer = weight.grad();
    for (int i = 0; i < times; ++i) {
      backward_from(gated_linear_without_bias(
          made.x, kind, {.weight = weight, .order = WeightOrder::kOutIn}, Kernels::kFused));
    }
    if (has_buffer) {
      EXPECT_EQ(weight.grad().data_ptr(), buffer.data_ptr());
    }
    return weight.grad().to(at::kDouble);
  };
  for (const GateKind kind : kKinds) {
    const at::Tensor once = gradient(kind, /*has_buffer=*/false, 1);
    EXPECT_LT(relative_error(gradient(kind, /*has_buffer=*/true, 1), once), 1e-6);
    EXPECT_LT(relative_error(gradient(kind, /*has_buffer=*/true, 3), once * 3), 1e-6);
  }
}

TEST(GatedLinear, WithoutGradientIsTheSameAndDimensionsStay) {
  const Case made = make_case(10, 20, 4, WeightOrder::kOutIn, at::kFloat);
  const LinearLayer layer{.weight = made.weight, .order = WeightOrder::kOutIn};
  for (const GateKind kind : kKinds) {
    const auto run = [&] {
      return gated_linear_without_bias(made.x.view({2, 5, 40}), kind, layer, Kernels::kFused);
    };
    const at::Tensor with = run().detach();
    EXPECT_EQ(with.sizes(), at::IntArrayRef({2, 5, 4}));
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(run().equal(with));
  }
}

}  // namespace
}  // namespace apollo
