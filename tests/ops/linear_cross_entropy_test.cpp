// The fused head against the plain one in float64. Bounds: relative L2 errors of float32 arithmetic
// (unit roundoff 6e-8) over sums of at most a few thousand terms.
#include "ops/linear_cross_entropy.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randint.h>
#include <gtest/gtest.h>

namespace apollo {
namespace {

// The fused form works in chunks of 4096 rows at vocabularies up to 128, of 16 rows at
// vocabularies from 32768; sizes below stand on and beside those borders.
struct Size {
  int64_t rows;
  int64_t width;
  int64_t vocab_size;
};

constexpr Size kSizes[] = {{1, 1, 2},       {1, 7, 97},      {37, 13, 101},
                           {4096, 3, 97},   {4097, 3, 97},   {523, 8, 1009},
                           {1038, 5, 1009}, {16, 11, 50257}, {33, 11, 50257}};

struct Case {
  at::Tensor x_NW, weight_VW, targets_N;
};

at::Generator generator(uint64_t seed) {
  return at::make_generator<at::CPUGeneratorImpl>(seed);
}

Case make_case(const Size& size) {
  at::Generator random = generator(17);
  Case made;
  made.x_NW = at::empty({size.rows, size.width}, at::kFloat).normal_(0.0, 1.0, random);
  made.weight_VW = at::empty({size.vocab_size, size.width}, at::kFloat).normal_(0.0, 1.0, random);
  made.targets_N = at::empty({size.rows}, at::kLong).random_(0, size.vocab_size, random);
  return made;
}

struct Outcome {
  double loss = 0.0;
  at::Tensor grad_x, grad_weight;
};

// `factor` is the gradient that comes into the loss.
template <class Loss>
Outcome differentiate(const at::Tensor& x, const at::Tensor& weight, double factor, Loss loss) {
  const at::Tensor x_leaf = x.detach().clone().requires_grad_(true);
  const at::Tensor weight_leaf = weight.detach().clone().requires_grad_(true);
  const at::Tensor value = loss(x_leaf, weight_leaf);
  (value * factor).backward();
  return {value.item<double>(), x_leaf.grad(), weight_leaf.grad()};
}

Outcome run(const Case& made, double factor, Kernels kernels) {
  return differentiate(made.x_NW, made.weight_VW, factor, [&](const auto& x, const auto& weight) {
    return linear_cross_entropy(x, weight, made.targets_N, kernels);
  });
}

Outcome run_in_float64(const Case& made, double factor) {
  return differentiate(made.x_NW.to(at::kDouble), made.weight_VW.to(at::kDouble), factor,
                       [&](const at::Tensor& x, const at::Tensor& weight) {
                         const at::Tensor log_p = at::log_softmax(at::matmul(x, weight.t()), 1);
                         return -log_p.gather(1, made.targets_N.unsqueeze(1)).sum();
                       });
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor exact = expected.to(at::kDouble);
  const at::Tensor difference = found.to(at::kDouble) - exact;
  return at::linalg_vector_norm(difference).item<double>() /
         at::linalg_vector_norm(exact).item<double>();
}

TEST(LinearCrossEntropy, ValueAndGradientsEqualFloat64) {
  for (const Size& size : kSizes) {
    const Case made = make_case(size);
    const Outcome exact = run_in_float64(made, 1.0);
    for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
      SCOPED_TRACE(testing::Message()
                   << size.rows << " x " << size.width << " x " << size.vocab_size << " kernels "
                   << static_cast<int>(kernels));
      const Outcome found = run(made, 1.0, kernels);
      EXPECT_NEAR(found.loss / exact.loss, 1.0, 1e-6);
      // A float32 product over V terms: at V = 50257 even the exact logits' gradient, rounded once,
      // times W is 1.3e-5 off.
      const double vocab_size = static_cast<double>(size.vocab_size);
      EXPECT_LT(relative_error(found.grad_x, exact.grad_x), 2e-6 + 4e-10 * vocab_size);
      EXPECT_LT(relative_error(found.grad_weight, exact.grad_weight), 2e-6);
    }
  }
}

TEST(LinearCrossEntropy, IncomingGradientIsAFactor) {
  const Case made = make_case({37, 13, 101});
  const Outcome exact = run_in_float64(made, -0.37);
  for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
    const Outcome found = run(made, -0.37, kernels);
    EXPECT_LT(relative_error(found.grad_x, exact.grad_x), 2e-6);
    EXPECT_LT(relative_error(found.grad_weight, exact.grad_weight), 2e-6);
  }
}

TEST(LinearCrossEntropy, GradientsOfTwoCallsAddUp) {
  const Case made = make_case({37, 13, 101});
  const Outcome once = run_in_float64(made, 1.0);
  const Outcome twice = differentiate(
      made.x_NW, made.weight_VW, 1.0, [&](const at::Tensor& x, const at::Tensor& weight) {
        const auto half = [&](int64_t begin, int64_t end) {
          return linear_cross_entropy(x.slice(0, begin, end), weight,
                                      made.targets_N.slice(0, begin, end), Kernels::kFused);
        };
        return half(0, 20) + half(20, 37);
      });
  EXPECT_NEAR(twice.loss / once.loss, 1.0, 1e-6);
  EXPECT_LT(relative_error(twice.grad_x, once.grad_x), 2e-6);
  EXPECT_LT(relative_error(twice.grad_weight, once.grad_weight), 2e-6);
}

TEST(LinearCrossEntropy, LargeLogitsStayFinite) {
  Case made = make_case({37, 13, 101});
  made.x_NW *= 1e4;
  const Outcome exact = run_in_float64(made, 1.0);
  const Outcome found = run(made, 1.0, Kernels::kFused);
  EXPECT_NEAR(found.loss / exact.loss, 1.0, 1e-5);
  EXPECT_LT(relative_error(found.grad_x, exact.grad_x), 1e-4);
}

TEST(LinearCrossEntropy, Bfloat16RowsKeepTheFloatWeightGradient) {
  const Case made = make_case({523, 8, 1009});
  const Outcome exact = run_in_float64(made, 1.0);
  const Outcome found = differentiate(
      made.x_NW.to(at::kBFloat16), made.weight_VW, 1.0, [&](const auto& x, const auto& weight) {
        return linear_cross_entropy(x, weight, made.targets_N, Kernels::kFused);
      });
  EXPECT_EQ(found.grad_x.scalar_type(), at::kBFloat16);
  EXPECT_EQ(found.grad_weight.scalar_type(), at::kFloat);
  EXPECT_NEAR(found.loss / exact.loss, 1.0, 4e-3);
  EXPECT_LT(relative_error(found.grad_x, exact.grad_x), 2e-2);
  EXPECT_LT(relative_error(found.grad_weight, exact.grad_weight), 2e-2);
}

TEST(LinearCrossEntropy, WithoutGradientTheSameValueRowByRow) {
  for (const Size& size : kSizes) {
    const Case made = make_case(size);
    const double exact = run_in_float64(made, 1.0).loss;
    const at::Tensor rows_N = linear_log_probability(made.x_NW, made.weight_VW, made.targets_N);
    ASSERT_EQ(rows_N.sizes(), at::IntArrayRef({size.rows}));
    EXPECT_NEAR(rows_N.to(at::kDouble).sum().item<double>() / -exact, 1.0, 1e-6);
    const at::NoGradGuard no_grad;
    EXPECT_NEAR(linear_cross_entropy(made.x_NW, made.weight_VW, made.targets_N, Kernels::kFused)
                        .item<double>() /
                    exact,
                1.0, 1e-6);
  }
}

}  // namespace
}  // namespace apollo
