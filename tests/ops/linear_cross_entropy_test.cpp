// The fused head against the plain one in float64. Bounds are relative L2 errors of float32
// arithmetic (unit roundoff 6e-8) over sums of at most a few thousand terms.
#include "ops/linear_cross_entropy.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randint.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "ops/row_kernels.h"
#include "support/test_device.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

// The fused form works in chunks of 4096 rows for vocabularies up to 512, and of 128 rows for
// vocabularies from 16384. The sizes below are on and next to these limits.
struct Size {
  int64_t rows;
  int64_t width;
  int64_t vocab_size;
};

constexpr Size kSizes[] = {{1, 1, 2},       {1, 7, 97},      {37, 13, 101},
                           {4096, 3, 97},   {4097, 3, 97},   {2079, 8, 1009},
                           {4158, 5, 1009}, {16, 11, 50257}, {133, 11, 50257}};

struct Case {
  at::Tensor x_MW;
  OutputLayer output;
  at::Tensor targets_M;
};

std::vector<std::pair<Size, bool>> all_cases() {
  std::vector<std::pair<Size, bool>> cases;
  for (const Size& size : kSizes) {
    cases.emplace_back(size, false);
    cases.emplace_back(size, true);
  }
  return cases;
}

at::Generator generator(uint64_t seed) {
  return at::make_generator<at::CPUGeneratorImpl>(seed);
}

Case make_case(const Size& size, bool with_bias) {
  at::Generator random = generator(17);
  Case made;
  made.x_MW =
      at::empty({size.rows, size.width}, at::kFloat).normal_(0.0, 1.0, random).to(test_device());
  made.output.weight_VW = at::empty({size.vocab_size, size.width}, at::kFloat)
                              .normal_(0.0, 1.0, random)
                              .to(test_device());
  if (with_bias) {
    made.output.bias_V =
        at::empty({size.vocab_size}, at::kFloat).normal_(0.0, 1.0, random).to(test_device());
  }
  made.targets_M =
      at::empty({size.rows}, at::kLong).random_(0, size.vocab_size, random).to(test_device());
  return made;
}

struct Outcome {
  double loss = 0.0;
  at::Tensor grad_x, grad_weight, grad_bias;
};

at::Tensor leaf_of(const at::Tensor& value) {
  return value.defined() ? value.detach().clone().requires_grad_(true) : value;
}

// `factor` is the gradient that comes into the loss.
template <class Loss>
Outcome differentiate(const at::Tensor& x, const OutputLayer& output, double factor, Loss loss) {
  const at::Tensor x_leaf = leaf_of(x);
  const OutputLayer leaves{leaf_of(output.weight_VW), leaf_of(output.bias_V)};
  const at::Tensor value = loss(x_leaf, leaves);
  (value * factor).backward();
  return {value.item<double>(), x_leaf.grad(), leaves.weight_VW.grad(),
          leaves.bias_V.defined() ? leaves.bias_V.grad() : at::Tensor()};
}

Outcome run(const Case& made, double factor, Kernels kernels) {
  return differentiate(made.x_MW, made.output, factor, [&](const auto& x, const auto& output) {
    return linear_cross_entropy(x, output, made.targets_M, kernels);
  });
}

Outcome run_in_float64(const Case& made, double factor) {
  const auto wide = [](const at::Tensor& t) { return t.defined() ? t.to(at::kDouble) : t; };
  const OutputLayer output{wide(made.output.weight_VW), wide(made.output.bias_V)};
  return differentiate(
      made.x_MW.to(at::kDouble), output, factor, [&](const at::Tensor& x, const auto& layer) {
        at::Tensor logits = at::matmul(x, layer.weight_VW.t());
        if (layer.bias_V.defined()) logits = logits + layer.bias_V;
        return -at::log_softmax(logits, 1).gather(1, made.targets_M.unsqueeze(1)).sum();
      });
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor exact = expected.to(at::kDouble);
  const at::Tensor difference = found.to(at::kDouble) - exact;
  return at::linalg_vector_norm(difference).item<double>() /
         at::linalg_vector_norm(exact).item<double>();
}

TEST(LinearCrossEntropy, ValueAndGradientsEqualFloat64) {
  for (const auto& [size, with_bias] : all_cases()) {
    const Case made = make_case(size, with_bias);
    const Outcome exact = run_in_float64(made, 1.0);
    for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
      SCOPED_TRACE(testing::Message()
                   << size.rows << " x " << size.width << " x " << size.vocab_size << " bias "
                   << with_bias << " kernels " << static_cast<int>(kernels));
      const Outcome found = run(made, 1.0, kernels);
      EXPECT_NEAR(found.loss / exact.loss, 1.0, 1e-6);
      // A float32 product over V terms: at V = 50257 even the exact gradient of the logits, rounded
      // once, times W has an error of 1.3e-5.
      const double vocab_size = static_cast<double>(size.vocab_size);
      EXPECT_LT(relative_error(found.grad_x, exact.grad_x), 2e-6 + 4e-10 * vocab_size);
      EXPECT_LT(relative_error(found.grad_weight, exact.grad_weight), 2e-6);
      ASSERT_EQ(found.grad_bias.defined(), with_bias);
      if (with_bias) {
        EXPECT_LT(relative_error(found.grad_bias, exact.grad_bias), 2e-6);
      }
    }
  }
}

TEST(LinearCrossEntropy, EveryInstructionSetEqualsFloat64) {
  for (const InstructionSet set :
       {InstructionSet::kPortable, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (!is_supported(set)) continue;
    const InstructionSetScope scope(set);
    for (const Size& size : {Size{1, 7, 97}, Size{37, 13, 101}, Size{17, 9, 4099}}) {
      SCOPED_TRACE(testing::Message()
                   << "set " << static_cast<int>(set) << " V " << size.vocab_size);
      const Case made = make_case(size, /*with_bias=*/true);
      const Outcome exact = run_in_float64(made, 1.0);
      const Outcome found = run(made, 1.0, Kernels::kFused);
      EXPECT_NEAR(found.loss / exact.loss, 1.0, 1e-6);
      EXPECT_LT(relative_error(found.grad_x, exact.grad_x), 4e-6);
      EXPECT_LT(relative_error(found.grad_weight, exact.grad_weight), 2e-6);
      EXPECT_LT(relative_error(found.grad_bias, exact.grad_bias), 2e-6);
    }
  }
}

TEST(LinearCrossEntropy, ThreadsAndRunsGiveTheSameBits) {
  const Case made = make_case({523, 8, 1009}, /*with_bias=*/true);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Outcome once = run(made, 1.0, Kernels::kFused);
  at::set_num_threads(2);
  const Outcome again = run(made, 1.0, Kernels::kFused);
  at::set_num_threads(before);
  EXPECT_EQ(once.loss, again.loss);
  EXPECT_TRUE(once.grad_bias.equal(again.grad_bias));
}

TEST(LinearCrossEntropy, ATargetOutsideTheVocabularyIsAnError) {
  APOLLO_SKIP_UNLESS_ON_CPU("a GPU ends the process by an assertion of its own");
  for (const int64_t target : {int64_t{-1}, int64_t{101}}) {
    Case made = make_case({37, 13, 101}, /*with_bias=*/false);
    made.targets_M[36] = target;
    EXPECT_EQ(thrown_text<UsageError>([&] { run(made, 1.0, Kernels::kFused); }),
              "a target is not in the vocabulary of 101 tokens");
  }
}

// As in ATen, a NaN appears in its own row only.
TEST(LinearCrossEntropy, ARowThatIsNotFiniteStaysAlone) {
  Case made = make_case({37, 13, 101}, /*with_bias=*/false);
  made.x_MW[5][3] = std::numeric_limits<float>::infinity();
  const Outcome found = run(made, 1.0, Kernels::kFused);
  EXPECT_TRUE(std::isnan(found.loss));
  const at::Tensor broken_M = found.grad_x.isnan().any(1);
  EXPECT_EQ(broken_M.sum().item<int64_t>(), 1);
  EXPECT_TRUE(broken_M[5].item<bool>());
}

TEST(LinearCrossEntropy, IncomingGradientIsAFactor) {
  const Case made = make_case({37, 13, 101}, /*with_bias=*/true);
  const Outcome exact = run_in_float64(made, -0.37);
  for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
    const Outcome found = run(made, -0.37, kernels);
    EXPECT_LT(relative_error(found.grad_x, exact.grad_x), 2e-6);
    EXPECT_LT(relative_error(found.grad_weight, exact.grad_weight), 2e-6);
    EXPECT_LT(relative_error(found.grad_bias, exact.grad_bias), 2e-6);
  }
}

TEST(LinearCrossEntropy, GradientsOfTwoCallsAddUp) {
  const Case made = make_case({37, 13, 101}, /*with_bias=*/true);
  const Outcome once = run_in_float64(made, 1.0);
  const Outcome twice = differentiate(
      made.x_MW, made.output, 1.0, [&](const at::Tensor& x, const OutputLayer& output) {
        const auto half = [&](int64_t begin, int64_t end) {
          return linear_cross_entropy(x.slice(0, begin, end), output,
                                      made.targets_M.slice(0, begin, end), Kernels::kFused);
        };
        return half(0, 20) + half(20, 37);
      });
  EXPECT_NEAR(twice.loss / once.loss, 1.0, 1e-6);
  EXPECT_LT(relative_error(twice.grad_x, once.grad_x), 2e-6);
  EXPECT_LT(relative_error(twice.grad_weight, once.grad_weight), 2e-6);
  EXPECT_LT(relative_error(twice.grad_bias, once.grad_bias), 2e-6);
}

TEST(LinearCrossEntropy, LargeLogitsStayFinite) {
  Case made = make_case({37, 13, 101}, /*with_bias=*/false);
  made.x_MW *= 1e4;
  const Outcome exact = run_in_float64(made, 1.0);
  const Outcome found = run(made, 1.0, Kernels::kFused);
  EXPECT_NEAR(found.loss / exact.loss, 1.0, 1e-5);
  EXPECT_LT(relative_error(found.grad_x, exact.grad_x), 1e-4);
}

TEST(LinearCrossEntropy, Bfloat16RowsKeepTheFloatWeightGradient) {
  const Case made = make_case({523, 8, 1009}, /*with_bias=*/true);
  const Outcome exact = run_in_float64(made, 1.0);
  const Outcome found = differentiate(
      made.x_MW.to(at::kBFloat16), made.output, 1.0, [&](const auto& x, const auto& output) {
        return linear_cross_entropy(x, output, made.targets_M, Kernels::kFused);
      });
  EXPECT_EQ(found.grad_x.scalar_type(), at::kBFloat16);
  EXPECT_EQ(found.grad_weight.scalar_type(), at::kFloat);
  EXPECT_NEAR(found.loss / exact.loss, 1.0, 4e-3);
  EXPECT_LT(relative_error(found.grad_x, exact.grad_x), 2e-2);
  EXPECT_LT(relative_error(found.grad_weight, exact.grad_weight), 2e-2);
  EXPECT_EQ(found.grad_bias.scalar_type(), at::kFloat);
  EXPECT_LT(relative_error(found.grad_bias, exact.grad_bias), 2e-2);
}

TEST(LinearCrossEntropy, WithoutGradientTheSameValueRowByRow) {
  for (const auto& [size, with_bias] : all_cases()) {
    const Case made = make_case(size, with_bias);
    const double exact = run_in_float64(made, 1.0).loss;
    const TargetScores scores = linear_target_scores(made.x_MW, made.output, made.targets_M);
    ASSERT_EQ(scores.log_probability_M.sizes(), at::IntArrayRef({size.rows}));
    EXPECT_NEAR(scores.log_probability_M.to(at::kDouble).sum().item<double>() / -exact, 1.0, 1e-6);
    const at::NoGradGuard no_grad;
    EXPECT_NEAR(linear_cross_entropy(made.x_MW, made.output, made.targets_M, Kernels::kFused)
                        .item<double>() /
                    exact,
                1.0, 1e-6);
  }
}

TEST(LinearCrossEntropy, TheTopTokenOfEachRowIsKnown) {
  Case made = make_case({1038, 5, 1009}, /*with_bias=*/true);
  const at::Tensor logits_MV =
      at::matmul(made.x_MW, made.output.weight_VW.t()) + made.output.bias_V;
  made.targets_M = logits_MV.argmax(1);
  EXPECT_TRUE(
      linear_target_scores(made.x_MW, made.output, made.targets_M).is_top_M.all().item<bool>());
  made.targets_M = (made.targets_M + 1) % 1009;
  EXPECT_FALSE(
      linear_target_scores(made.x_MW, made.output, made.targets_M).is_top_M.any().item<bool>());
}

}  // namespace
}  // namespace apollo
