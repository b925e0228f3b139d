// Dropout by our own kernels, alone and inside the sum of a residual branch: which elements are
// kept, and the gradients against float64 under the same mask, with every instruction set of the
// machine.
#include "ops/dropout.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "ops/elementwise.h"

namespace apollo {
namespace {

using Tensors = std::vector<at::Tensor>;

constexpr double kEpsilon = 1e-5;
constexpr double kDropout = 0.3;
constexpr InstructionSet kSets[] = {InstructionSet::kPortable, InstructionSet::kAvx2,
                                    InstructionSet::kAvx512};

at::Tensor draw(at::IntArrayRef shape, uint64_t seed) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::empty(shape, at::kFloat).normal_(0.0, 1.0, random);
}

// 1 / (1 - p) where an element is kept, else 0.
at::Tensor mask_of(uint64_t key, at::IntArrayRef shape, double probability) {
  return dropout(at::ones(shape), {probability, key}, Kernels::kFused);
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  const double error =
      at::linalg_vector_norm(found.detach().to(at::kDouble) - expected.detach()).item<double>();
  return error / at::linalg_vector_norm(expected.detach()).item<double>();
}

TEST(Dropout, KeepsItsShareEverywhere) {
  for (const double probability : {0.1, 0.5}) {
    const at::Tensor kept = mask_of(3, {1000, 97}, probability).gt(0).to(at::kDouble);
    // Six standard deviations of the mean of that many independent draws.
    const auto bound = [&](double count) {
      return 6.0 * std::sqrt(probability * (1.0 - probability) / count);
    };
    EXPECT_NEAR(kept.mean().item<double>(), 1.0 - probability, bound(97000));
    for (const int64_t dimension : {0, 1}) {
      const at::Tensor off = (kept.mean(1 - dimension) - (1.0 - probability)).abs();
      EXPECT_LT(off.max().item<double>(), bound(dimension == 0 ? 97 : 1000));
    }
    // Neighbours are independent.
    const double share = (1.0 - probability) * (1.0 - probability);
    EXPECT_NEAR((kept.slice(1, 1) * kept.slice(1, 0, 96)).mean().item<double>(), share, 0.01);
    EXPECT_NEAR((kept.slice(0, 1) * kept.slice(0, 0, 999)).mean().item<double>(), share, 0.01);
  }
}

TEST(Dropout, ScalesWhatItKeepsAndItsGradientAlike) {
  const at::Tensor mask = mask_of(5, {17, 97}, kDropout);
  EXPECT_FLOAT_EQ(mask.max().item<float>(), 1.0F / 0.7F);
  const at::Tensor x = draw({17, 97}, 1).requires_grad_(true);
  const at::Tensor y = dropout(x, {kDropout, 5}, Kernels::kFused);
  EXPECT_TRUE(y.equal(x * mask));
  const at::Tensor weight = draw({17, 97}, 2);
  (y * weight).sum().backward();
  EXPECT_TRUE(x.grad().equal(weight * mask));
}

TEST(Dropout, FollowsTheKeyAndNothingElse) {
  const at::Tensor first = mask_of(1, {100, 60}, 0.5);
  EXPECT_FALSE(first.equal(mask_of(2, {100, 60}, 0.5)));
  const int before = at::get_num_threads();
  for (const int threads : {1, 3}) {
    at::set_num_threads(threads);
    EXPECT_TRUE(first.equal(mask_of(1, {100, 60}, 0.5)));
  }
  at::set_num_threads(before);
  for (const InstructionSet set : kSets) {
    if (!is_supported(set)) continue;
    const InstructionSetScope scope(set);
    EXPECT_TRUE(first.equal(mask_of(1, {100, 60}, 0.5)));
  }
}

TEST(Dropout, OfNothingAndOfAllAndOfOtherTypes) {
  const at::Tensor x = draw({3, 7}, 1);
  EXPECT_TRUE(dropout(x, {}, Kernels::kFused).is_same(x));
  EXPECT_TRUE(dropout(x, {1.0, 3}, Kernels::kFused).equal(at::zeros({3, 7})));
  EXPECT_TRUE(dropout(x.slice(0, 0, 0), {0.5, 3}, Kernels::kFused).numel() == 0);
}

TEST(Dropout, IsTheSameInEveryForm) {
  const at::Tensor x = draw({33, 71}, 1);
  const at::Tensor fused = dropout(x, {0.3, 4}, Kernels::kFused);
  EXPECT_TRUE(dropout(x, {0.3, 4}, Kernels::kReference).equal(fused));
  EXPECT_TRUE(dropout(x.t().contiguous().t(), {0.3, 4}, Kernels::kFused).equal(fused));
  const at::Tensor in_double = dropout(x.to(at::kDouble), {0.3, 4}, Kernels::kFused);
  EXPECT_TRUE(in_double.eq(0).equal(fused.eq(0)));
  EXPECT_LT(relative_error(fused, in_double), 1e-6);
}

// Returns the weighted results that are used, then the gradients of {residual, branch, norm weight,
// norm bias, branch bias}.
Tensors outcome(const Tensors& given, at::ScalarType type, const std::vector<bool>& used,
                const std::function<SumAndNorm(const Tensors&)>& apply) {
  Tensors leaves;
  for (const at::Tensor& input : given)
    leaves.push_back(input.to(type, false, /*copy=*/true).requires_grad_(true));
  const SumAndNorm results = apply(leaves);
  Tensors found{results.sum, results.norm.value};
  at::Tensor total = at::zeros({}, type);
  for (size_t i = 0; i < 2; ++i) {
    if (used[i]) total = total + (found[i] * draw(found[i].sizes(), 91 + i).to(type)).sum();
  }
  total.backward();
  for (const at::Tensor& leaf : leaves)
    found.push_back(leaf.grad());
  return found;
}

TEST(Dropout, InsideASumAndNormEqualsFloat64UnderItsMask) {
  for (const InstructionSet set : kSets) {
    if (!is_supported(set)) continue;
    const InstructionSetScope scope(set);
    for (const int64_t rows : {1, 65, 200}) {
      for (const int64_t width : {7, 97, 128}) {
        const Tensors given = {draw({rows, width}, 1), draw({rows, width}, 2), draw({width}, 3),
                               draw({width}, 4), draw({width}, 5)};
        const at::Tensor mask = mask_of(9, {rows, width}, kDropout).to(at::kDouble);
        const auto fused = [](const Tensors& in) {
          return add_and_norm(in[0], {in[1], in[4], {kDropout, 9}}, {in[2], in[3], kEpsilon},
                              Kernels::kFused);
        };
        const auto exact = [&](const Tensors& in) -> SumAndNorm {
          const at::Tensor sum = in[0] + (in[1] + in[4]) * mask;
          return {sum, {at::layer_norm(sum, {width}, in[2], in[3], kEpsilon)}};
        };
        for (const auto& used : {std::vector{true, true}, {true, false}, {false, true}}) {
          SCOPED_TRACE(testing::Message() << rows << " x " << width << used[0] << used[1]);
          const Tensors found = outcome(given, at::kFloat, used, fused);
          const Tensors expected = outcome(given, at::kDouble, used, exact);
          for (size_t i = 0; i < expected.size(); ++i) {
            ASSERT_EQ(found[i].defined(), expected[i].defined()) << "tensor " << i;
            if (found[i].defined()) {
              EXPECT_LT(relative_error(found[i], expected[i]), 2e-6) << "tensor " << i;
            }
          }
        }
      }
    }
  }
}

TEST(Dropout, InsideASumIsTheSameByAtenToo) {
  const NormLayer norm{at::ones({128}), at::zeros({128}), kEpsilon};
  const Branch branch{draw({512, 128}, 2), {}, {0.25, 7}};
  const at::Tensor fused = add_and_norm(at::zeros({512, 128}), branch, norm, Kernels::kFused).sum;
  const at::Tensor plain =
      add_and_norm(at::zeros({512, 128}), branch, norm, Kernels::kReference).sum;
  EXPECT_NEAR(fused.eq(0).to(at::kDouble).mean().item<double>(), 0.25, 0.01);
  EXPECT_LT(relative_error(plain, fused.to(at::kDouble)), 1e-6);
}

}  // namespace
}  // namespace apollo
