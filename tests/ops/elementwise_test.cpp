// Sums, LayerNorm and GELU against float64, tensor by tensor, with every instruction set of the
// machine. The bound is a relative L2 error of 2e-6, some thirty roundings of float32.
#include "ops/elementwise.h"
#include "support/test_device.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace apollo {
namespace {

constexpr double kBound = 2e-6;
constexpr double kEpsilon = 1e-5;
constexpr int64_t kWidths[] = {1, 7, 60, 97, 128, 384, 1000};
// A block of partial sums has 64 rows.
constexpr int64_t kRows[] = {1, 3, 17, 64, 65, 1000};

using Tensors = std::vector<at::Tensor>;
// Computes results from leaves: float32 ones by the operator under test, float64 ones by ATen.
using Operator = std::function<Tensors(const Tensors& leaves)>;

at::Tensor draw(at::IntArrayRef shape, uint64_t seed, double std = 1.0) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::empty(shape, at::kFloat).normal_(0.0, std, random).to(test_device());
}

// Returns the results of `apply` and the gradients of all inputs for sum(result * weight) with
// random weights. A result that is not `used` is left out of the sum.
Tensors outcome(const Tensors& inputs, at::ScalarType type, const Operator& apply,
                const std::vector<bool>& used = {true, true}) {
  Tensors leaves;
  for (const at::Tensor& input : inputs)
    leaves.push_back(input.detach().to(type, false, /*copy=*/true).requires_grad_(true));
  Tensors found = apply(leaves);
  at::Tensor total = at::zeros({}, type);
  for (size_t i = 0; i < found.size(); ++i) {
    if (used[i]) total = total + (found[i] * draw(found[i].sizes(), 91 + i).to(type)).sum();
  }
  total.backward();
  for (const at::Tensor& leaf : leaves)
    found.push_back(leaf.grad());
  return found;
}

// The error is absolute if the exact tensor is zero.
double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor exact = expected.detach().to(at::kDouble);
  const double error =
      at::linalg_vector_norm(found.detach().to(at::kDouble) - exact).item<double>();
  const double size = at::linalg_vector_norm(exact).item<double>();
  return size > 1e-6 ? error / size : error;
}

void expect_close(const Tensors& found, const Tensors& expected, double bound) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i].defined(), expected[i].defined()) << "tensor " << i;
    if (!found[i].defined()) continue;
    ASSERT_EQ(found[i].sizes(), expected[i].sizes()) << "tensor " << i;
    EXPECT_LT(relative_error(found[i], expected[i]), bound) << "tensor " << i;
  }
}

void expect_equal_bits(const Tensors& found, const Tensors& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_TRUE(found[i].equal(expected[i])) << "tensor " << i;
}

// Returns element `place`; undefined if there are fewer.
at::Tensor nth(const Tensors& in, size_t place) {
  return place < in.size() ? in[place] : at::Tensor();
}

// layer_norm of {x, weight} or {x, weight, bias}.
Operator norm_by(Kernels kernels) {
  return [=](const Tensors& in) -> Tensors {
    return {apply_norm(in[0], {in[1], nth(in, 2), kEpsilon}, kernels).value};
  };
}

// add_and_norm of {residual, branch, weight}, {..., bias} or {..., bias, branch bias}.
Operator add_norm_by(Kernels kernels) {
  return [=](const Tensors& in) -> Tensors {
    const Branch branch{in[1], nth(in, 4)};
    const auto [sum, norm] = add_and_norm(in[0], branch, {in[2], nth(in, 3), kEpsilon}, kernels);
    return {sum, norm.value};
  };
}

Operator gelu_by(GeluKind kind, Kernels kernels) {
  return [=](const Tensors& in) -> Tensors { return {bias_gelu(in[0], in[1], kind, kernels)}; };
}

Tensors exact_norm(const Tensors& in) {
  return {at::layer_norm(in[0], {in[0].size(-1)}, in[1], nth(in, 2), kEpsilon)};
}

Tensors exact_add_norm(const Tensors& in) {
  const at::Tensor sum = in.size() > 4 ? in[0] + in[1] + in[4] : in[0] + in[1];
  return {sum, exact_norm({sum, in[2], nth(in, 3)})[0]};
}

// RMSNorm of {x, weight}, and of the sum of {residual, branch, weight, branch bias}.
NormLayer rms_layer(const at::Tensor& weight_W) {
  return {.weight_W = weight_W, .epsilon = kEpsilon, .kind = NormKind::kRms};
}

Operator rms_norm_by(Kernels kernels) {
  return [=](const Tensors& in) -> Tensors {
    return {apply_norm(in[0], rms_layer(in[1]), kernels).value};
  };
}

Operator add_rms_norm_by(Kernels kernels) {
  return [=](const Tensors& in) -> Tensors {
    const auto [sum, norm] = add_and_norm(in[0], {in[1], in[3]}, rms_layer(in[2]), kernels);
    return {sum, norm.value};
  };
}

Tensors exact_rms_norm(const Tensors& in) {
  return {in[0] / (in[0].square().mean(-1, /*keepdim=*/true) + kEpsilon).sqrt() * in[1]};
}

Tensors exact_add_rms_norm(const Tensors& in) {
  const at::Tensor sum = in[0] + in[1] + in[3];
  return {sum, exact_rms_norm({sum, in[2]})[0]};
}

Operator exact_gelu(GeluKind kind) {
  return [=](const Tensors& in) -> Tensors {
    return {at::gelu(in[0] + in[1], kind == GeluKind::kTanh ? "tanh" : "none")};
  };
}

// {residual, branch, weight, bias, branch bias}.
Tensors norm_inputs(int64_t rows, int64_t width) {
  return {draw({rows, width}, 1, 1.5), draw({rows, width}, 2), draw({width}, 3), draw({width}, 4),
          draw({width}, 5)};
}

Tensors first(const Tensors& tensors, size_t count) {
  return {tensors.begin(), tensors.begin() + static_cast<int64_t>(count)};
}

class Elementwise : public testing::TestWithParam<InstructionSet> {
 protected:
  void SetUp() override {
    if (!is_supported(GetParam())) GTEST_SKIP() << "this machine lacks the instruction set";
    scope_.emplace(GetParam());
  }

  // Checks the operator at all sizes against float64, and its plain form too.
  static void hold(const std::function<Tensors(int64_t rows, int64_t width)>& inputs,
                   const std::function<Operator(Kernels)>& by, const Operator& exact,
                   int64_t least_width = 1) {
    for (const int64_t rows : kRows) {
      for (const int64_t width : kWidths) {
        if (width < least_width) continue;
        SCOPED_TRACE(testing::Message() << rows << " x " << width);
        const Tensors given = inputs(rows, width);
        const Tensors expected = outcome(given, at::kDouble, exact);
        const Tensors fused = outcome(given, at::kFloat, by(Kernels::kFused));
        const Tensors plain = outcome(given, at::kFloat, by(Kernels::kReference));
        // The LayerNorm of one column is constant; its computed gradient consists of roundings
        // times 1 / sqrt(epsilon).
        const double bound = width > 1 ? kBound : kBound / std::sqrt(kEpsilon);
        expect_close(fused, expected, bound);
        expect_close(plain, expected, bound);
        if (width > 1) expect_close(fused, plain, 2 * bound);
      }
    }
  }

 private:
  std::optional<InstructionSetScope> scope_;
};

TEST_P(Elementwise, LayerNormEqualsFloat64) {
  hold(
      [](int64_t rows, int64_t width) -> Tensors {
        return {draw({rows, width}, 1, 1.5), draw({width}, 3), draw({width}, 4)};
      },
      norm_by, exact_norm);
}

TEST_P(Elementwise, LayerNormWithoutABiasEqualsFloat64) {
  hold(
      [](int64_t rows, int64_t width) -> Tensors {
        return {draw({rows, width}, 1, 1.5), draw({width}, 3)};
      },
      norm_by, exact_norm);
  hold([](int64_t rows, int64_t width) { return first(norm_inputs(rows, width), 3); }, add_norm_by,
       exact_add_norm);
}

TEST_P(Elementwise, SumAndNormEqualFloat64) {
  hold([](int64_t rows, int64_t width) { return first(norm_inputs(rows, width), 4); }, add_norm_by,
       exact_add_norm);
}

TEST_P(Elementwise, SumWithBiasAndNormEqualFloat64) {
  hold(norm_inputs, add_norm_by, exact_add_norm);
}

TEST_P(Elementwise, RmsNormEqualsFloat64) {
  hold(
      [](int64_t rows, int64_t width) -> Tensors {
        return {draw({rows, width}, 1, 1.5), draw({width}, 3)};
      },
      rms_norm_by, exact_rms_norm, /*least_width=*/2);  // that of one column is its sign
}

TEST_P(Elementwise, SumAndRmsNormEqualFloat64) {
  hold(
      [](int64_t rows, int64_t width) -> Tensors {
        return {draw({rows, width}, 1, 1.5), draw({rows, width}, 2), draw({width}, 3),
                draw({width}, 5)};
      },
      add_rms_norm_by, exact_add_rms_norm, /*least_width=*/2);
}

TEST_P(Elementwise, ALayerNormMayHaveNoBias) {
  hold(
      [](int64_t rows, int64_t width) -> Tensors {
        return {draw({rows, width}, 1, 1.5), draw({width}, 3)};
      },
      [](Kernels kernels) -> Operator {
        return [=](const Tensors& in) -> Tensors {
          return {apply_norm(in[0], {.weight_W = in[1], .epsilon = kEpsilon}, kernels).value};
        };
      },
      [](const Tensors& in) -> Tensors {
        return {at::layer_norm(in[0], {in[0].size(-1)}, in[1], std::nullopt, kEpsilon)};
      });
}

TEST_P(Elementwise, GeluEqualsFloat64) {
  for (const GeluKind kind : {GeluKind::kTanh, GeluKind::kErf}) {
    hold(
        [](int64_t rows, int64_t width) -> Tensors {
          return {draw({rows, width}, 1, 2.0), draw({width}, 2)};
        },
        [kind](Kernels kernels) { return gelu_by(kind, kernels); }, exact_gelu(kind));
  }
}

TEST_P(Elementwise, AResultThatIsNotUsedBringsNoGradient) {
  const Tensors given = norm_inputs(17, 97);
  for (const std::vector<bool>& used : {std::vector{true, false}, std::vector{false, true}}) {
    Tensors found = outcome(given, at::kFloat, add_norm_by(Kernels::kFused), used);
    const Tensors expected = outcome(given, at::kDouble, exact_add_norm, used);
    expect_close(found, expected, kBound);
  }
}

TEST_P(Elementwise, ATensorMayBeResidualAndBranch) {
  const Tensors in = norm_inputs(65, 60);
  const Tensors given = {in[0], in[2], in[3]};
  const auto twice = [](const Operator& apply) {
    return [=](const Tensors& leaves) {
      return apply({leaves[0], leaves[0], leaves[1], leaves[2]});
    };
  };
  expect_close(outcome(given, at::kFloat, twice(add_norm_by(Kernels::kFused))),
               outcome(given, at::kDouble, twice(exact_add_norm)), kBound);
}

// The stream of a pre-LN model: each sum is the next residual, each norm feeds the next branch.
TEST_P(Elementwise, AChainOfSumsEqualsFloat64) {
  const Tensors given = norm_inputs(65, 97);
  const auto chain = [](const Operator& apply) {
    return [=](const Tensors& in) -> Tensors {
      Tensors stream = apply(in);
      for (int i = 0; i < 3; ++i)
        stream = apply({stream[0], stream[1] * 0.5, in[2], in[3], in[4]});
      return stream;
    };
  };
  expect_close(outcome(given, at::kFloat, chain(add_norm_by(Kernels::kFused))),
               outcome(given, at::kDouble, chain(exact_add_norm)), kBound);
}

// So a block that is recomputed on its own gives the same bits as one in the chain.
TEST_P(Elementwise, TheGradientOfAResidualHasTheBitsOfAutogradsSum) {
  const Tensors in = norm_inputs(65, 97);
  const Tensors given = {in[0], in[2], in[3]};
  const auto fused = [](const Tensors& leaves) -> Tensors {
    const at::Tensor minus_zero =
        at::zeros({}, leaves[0].options()).neg().expand_as(leaves[0]).contiguous();
    const auto [sum, norm] =
        add_and_norm(leaves[0], {minus_zero}, {leaves[1], leaves[2], kEpsilon}, Kernels::kFused);
    return {sum, norm.value};
  };
  const auto apart = [](const Tensors& leaves) -> Tensors {
    return {leaves[0] * 1.0,
            apply_norm(leaves[0], {leaves[1], leaves[2], kEpsilon}, Kernels::kFused).value};
  };
  expect_equal_bits(outcome(given, at::kFloat, fused), outcome(given, at::kFloat, apart));
}

TEST_P(Elementwise, InputsAndGradientsThatComeInStayAsTheyAre) {
  const Tensors given = norm_inputs(17, 128);
  Tensors leaves;
  for (const at::Tensor& input : given)
    leaves.push_back(input.clone().requires_grad_(true));
  const auto [sum, made] = add_and_norm(leaves[0], {leaves[1], leaves[4]},
                                        {leaves[2], leaves[3], kEpsilon}, Kernels::kFused);
  const at::Tensor& norm = made.value;
  const at::Tensor active = bias_gelu(norm, leaves[4], GeluKind::kErf, Kernels::kFused);
  const Tensors results = {sum.detach().clone(), norm.detach().clone(), active.detach().clone()};
  const at::Tensor incoming = draw({17, 128}, 9), before = incoming.clone();
  (active + sum).backward(incoming);
  expect_equal_bits(leaves, given);
  expect_equal_bits({sum, norm, active, incoming}, {results[0], results[1], results[2], before});
}

TEST_P(Elementwise, RunsAndThreadsGiveTheSameBits) {
  const Tensors given = norm_inputs(1000, 384);
  const Tensors gelu_given = {given[0], given[4]};
  const int before = at::get_num_threads();
  std::vector<Tensors> runs;
  for (const int threads : {1, 1, 2, 3}) {
    at::set_num_threads(threads);
    runs.push_back(outcome(given, at::kFloat, add_norm_by(Kernels::kFused)));
    for (const at::Tensor& x :
         outcome(gelu_given, at::kFloat, gelu_by(GeluKind::kErf, Kernels::kFused)))
      runs.back().push_back(x);
  }
  at::set_num_threads(before);
  for (const Tensors& run : runs)
    expect_equal_bits(run, runs[0]);
}

TEST_P(Elementwise, WithoutGradientTheSameBits) {
  const Tensors given = norm_inputs(17, 97);
  const Tensors with = outcome(given, at::kFloat, add_norm_by(Kernels::kFused));
  const at::NoGradGuard no_grad;
  expect_equal_bits(add_norm_by(Kernels::kFused)(given), first(with, 2));
}

TEST_P(Elementwise, StridedInputsAndGradientsGiveTheSameValues) {
  const Tensors in = norm_inputs(64, 96);
  const Operator add_norm = add_norm_by(Kernels::kFused);
  const auto strided = [&](const Tensors& leaves) {
    Tensors apart = leaves;
    apart[0] = leaves[0].t().contiguous().t();
    apart[1] = leaves[1].unsqueeze(1).expand({64, 2, 96}).select(1, 1);
    return add_norm(apart);
  };
  const Tensors expected = outcome(in, at::kDouble, exact_add_norm);
  expect_close(outcome(in, at::kFloat, strided), expected, kBound);
  const auto transposed_after = [&](const Tensors& leaves) -> Tensors {
    const Tensors found = add_norm(leaves);
    return {found[0].t().contiguous().t(), found[1].t().contiguous().t()};
  };
  expect_close(outcome(in, at::kFloat, transposed_after), expected, kBound);
}

TEST_P(Elementwise, RowsMayHaveMoreDimensionsOrBeNone) {
  const Tensors in = norm_inputs(30, 60);
  const auto as_3d = [](const Tensors& leaves) {
    Tensors shaped = leaves;
    shaped[0] = leaves[0].view({5, 6, 60});
    shaped[1] = leaves[1].view({5, 6, 60});
    const Tensors found = add_norm_by(Kernels::kFused)(shaped);
    EXPECT_EQ(found[1].sizes(), at::IntArrayRef({5, 6, 60}));
    return Tensors{found[0].view({30, 60}), found[1].view({30, 60})};
  };
  expect_equal_bits(outcome(in, at::kFloat, as_3d),
                    outcome(in, at::kFloat, add_norm_by(Kernels::kFused)));
  const Tensors none = outcome(norm_inputs(0, 60), at::kFloat, add_norm_by(Kernels::kFused));
  EXPECT_EQ(none[1].sizes(), at::IntArrayRef({0, 60}));
  EXPECT_TRUE(none[4].equal(at::zeros({60}, none[4].options())));
}

// A mean of 1000 deviations costs three digits, here as in ATen.
TEST_P(Elementwise, ALargeMeanCostsNoMoreThanItsDigits) {
  Tensors given = {draw({17, 384}, 1) + 1000.0, draw({384}, 3), draw({384}, 4)};
  const Tensors expected = outcome(given, at::kDouble, exact_norm);
  expect_close(outcome(given, at::kFloat, norm_by(Kernels::kFused)), expected, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Sets, Elementwise,
                         testing::Values(InstructionSet::kPortable, InstructionSet::kAvx2,
                                         InstructionSet::kAvx512),
                         [](const auto& info) -> std::string {
                           switch (info.param) {
                             case InstructionSet::kPortable:
                               return "Portable";
                             case InstructionSet::kAvx2:
                               return "Avx2";
                             default:
                               return "Avx512";
                           }
                         });

TEST(ElementwiseFallback, ReferenceIsAtenItself) {
  const Tensors in = norm_inputs(17, 97);
  EXPECT_TRUE(norm_by(Kernels::kReference)({in[0], in[2], in[3]})[0].equal(
      exact_norm({in[0], in[2], in[3]})[0]));
  EXPECT_TRUE(gelu_by(GeluKind::kTanh, Kernels::kReference)({in[0], in[4]})[0].equal(
      exact_gelu(GeluKind::kTanh)({in[0], in[4]})[0]));
}

TEST(ElementwiseFallback, OtherPrecisionsRunOnAten) {
  for (const at::ScalarType type : {at::kBFloat16, at::kDouble}) {
    Tensors in;
    for (const at::Tensor& x : norm_inputs(17, 97))
      in.push_back(x.to(type));
    EXPECT_FALSE(has_own_kernels(in[0], Kernels::kFused));
    const Tensors found = add_norm_by(Kernels::kFused)(in);
    EXPECT_EQ(found[1].scalar_type(), type);
    EXPECT_TRUE(found[1].equal(add_norm_by(Kernels::kReference)(in)[1]));
    EXPECT_TRUE(gelu_by(GeluKind::kErf, Kernels::kFused)({in[0], in[4]})[0].equal(
        gelu_by(GeluKind::kErf, Kernels::kReference)({in[0], in[4]})[0]));
  }
}

TEST(ElementwiseFallback, MixedPrecisionRunsOnAten) {
  APOLLO_SKIP_UNLESS_ON_CPU("own kernels are the CPU's");
  const at::Tensor x = draw({3, 7}, 1);
  EXPECT_TRUE(has_own_kernels(x, Kernels::kFused));
  EXPECT_FALSE(has_own_kernels(x, Kernels::kReference));
  at::autocast::set_autocast_enabled(at::kCPU, true);
  EXPECT_FALSE(has_own_kernels(x, Kernels::kFused));
  at::autocast::set_autocast_enabled(at::kCPU, false);
}

TEST(ElementwiseFallback, WrongShapesAreAtensErrors) {
  const Tensors in = norm_inputs(17, 97);
  const at::Tensor narrow = in[2].slice(0, 0, 7);
  EXPECT_THROW(apply_norm(in[0], {narrow, in[3], kEpsilon}, Kernels::kFused), c10::Error);
  EXPECT_THROW(bias_gelu(in[0], narrow, GeluKind::kErf, Kernels::kFused), c10::Error);
  // The sum may broadcast.
  const SumAndNorm found =
      add_and_norm(in[0], {in[1].slice(0, 0, 1)}, {in[2], in[3], kEpsilon}, Kernels::kFused);
  EXPECT_TRUE(found.sum.equal(in[0] + in[1].slice(0, 0, 1)));
}

}  // namespace
}  // namespace apollo
