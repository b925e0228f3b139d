// Both forms of attention against plain loops in double precision, and their gradients against each
// other.
#include "ops/attention.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>

namespace apollo {
namespace {

struct Size {
  int64_t batch, heads, length, head_width;
};

constexpr Size kSizes[] = {{1, 1, 1, 1}, {2, 3, 7, 5}, {1, 4, 65, 16}, {3, 1, 130, 64}};

struct Qkv {
  at::Tensor q, k, v, weights;  // `weights` make a scalar of the result
};

Qkv make_inputs(const Size& size) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(5);
  const auto draw = [&] {
    return at::empty({size.batch, size.heads, size.length, size.head_width}, at::kFloat)
        .normal_(0.0, 1.0, random);
  };
  return {draw(), draw(), draw(), draw()};
}

at::Tensor by_loops(const Qkv& in, bool causal) {
  const at::Tensor q = in.q.to(at::kDouble), k = in.k.to(at::kDouble), v = in.v.to(at::kDouble);
  at::Tensor out = at::zeros_like(q);
  const auto qa = q.accessor<double, 4>(), ka = k.accessor<double, 4>();
  const auto va = v.accessor<double, 4>();
  auto oa = out.accessor<double, 4>();
  const int64_t length = q.size(2), width = q.size(3);
  for (int64_t b = 0; b < q.size(0); ++b) {
    for (int64_t h = 0; h < q.size(1); ++h) {
      for (int64_t i = 0; i < length; ++i) {
        const int64_t seen = causal ? i + 1 : length;
        double total = 0.0;
        for (int64_t j = 0; j < seen; ++j) {
          double score = 0.0;
          for (int64_t c = 0; c < width; ++c)
            score += qa[b][h][i][c] * ka[b][h][j][c];
          const double weight = std::exp(score / std::sqrt(static_cast<double>(width)));
          total += weight;
          for (int64_t c = 0; c < width; ++c)
            oa[b][h][i][c] += weight * va[b][h][j][c];
        }
        for (int64_t c = 0; c < width; ++c)
          oa[b][h][i][c] /= total;
      }
    }
  }
  return out;
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor exact = expected.to(at::kDouble);
  const at::Tensor difference = found.to(at::kDouble) - exact;
  return at::linalg_vector_norm(difference).item<double>() /
         (at::linalg_vector_norm(exact).item<double>() + 1e-12);
}

TEST(Attention, EqualsPlainLoops) {
  for (const Size& size : kSizes) {
    const Qkv in = make_inputs(size);
    for (const bool causal : {true, false}) {
      const at::Tensor expected = by_loops(in, causal);
      for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
        const at::Tensor found =
            attention(in.q, in.k, in.v, causal, /*visible=*/{}, /*dropout=*/0.0, kernels);
        EXPECT_LT(relative_error(found, expected), 1e-6)
            << "length " << size.length << " causal " << causal;
      }
    }
  }
}

std::vector<at::Tensor> gradients(const Qkv& in, bool causal, Kernels kernels,
                                  const at::Tensor& visible = {}) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& tensor : {in.q, in.k, in.v})
    leaves.push_back(tensor.clone().requires_grad_(true));
  const at::Tensor out = attention(leaves[0], leaves[1], leaves[2], causal, visible, 0.0, kernels);
  (out * in.weights).sum().backward();
  return {leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
}

TEST(Attention, FusedAndPlainHaveTheSameGradients) {
  for (const Size& size : kSizes) {
    const Qkv in = make_inputs(size);
    for (const bool causal : {true, false}) {
      const auto fused = gradients(in, causal, Kernels::kFused);
      const auto plain = gradients(in, causal, Kernels::kReference);
      // With one position the weights are constant, so q and k have no gradient.
      for (size_t i = size.length == 1 ? 2 : 0; i < fused.size(); ++i) {
        EXPECT_LT(relative_error(fused[i], plain[i]), 5e-6)
            << "input " << i << " length " << size.length << " causal " << causal;
      }
    }
  }
}

TEST(Attention, CausalPositionsDoNotSeeTheFuture) {
  for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
    const Qkv in = make_inputs({2, 3, 7, 5});
    const at::Tensor before = attention(in.q, in.k, in.v, /*causal=*/true, {}, 0.0, kernels);
    in.k.slice(2, 4).add_(3.0);
    in.v.slice(2, 4).add_(3.0);
    const at::Tensor after = attention(in.q, in.k, in.v, /*causal=*/true, {}, 0.0, kernels);
    EXPECT_TRUE(before.slice(2, 0, 4).equal(after.slice(2, 0, 4)));
    EXPECT_FALSE(before.slice(2, 4).equal(after.slice(2, 4)));
  }
}

at::Tensor places(std::vector<int64_t> values) {
  return at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, at::kLong).clone();
}

// What two rows of 7 positions see: two groups that ignore each other, and one of all.
at::Tensor two_groups_and_one() {
  const at::Tensor groups_BT = places({0, 0, 1, 0, 1, 1, 0, 2, 2, 2, 2, 2, 2, 2}).view({2, 7});
  return groups_BT.unsqueeze(2).eq(groups_BT.unsqueeze(1)).unsqueeze(1);
}

TEST(Attention, PositionsSeeWhatTheMaskShowsThem) {
  const Qkv in = make_inputs({2, 3, 7, 5});
  const at::Tensor visible = two_groups_and_one();
  for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
    const auto run = [&](const Qkv& given, const at::Tensor& mask) {
      return attention(given.q, given.k, given.v, /*causal=*/false, mask, 0.0, kernels);
    };
    const at::Tensor found = run(in, visible);
    const at::Tensor group_T = places({0, 1, 3, 6});
    const auto pick = [&](const at::Tensor& x) {
      return x.slice(0, 0, 1).index_select(2, group_T);
    };
    const Qkv alone{pick(in.q), pick(in.k), pick(in.v), {}};
    EXPECT_LT(relative_error(pick(found), run(alone, {})), 1e-6);
    EXPECT_LT(relative_error(found.slice(0, 1), run(in, {}).slice(0, 1)), 1e-6);
  }
}

TEST(Attention, TheMaskedKernelsHaveTheSameGradients) {
  const Qkv in = make_inputs({2, 3, 7, 5});
  const at::Tensor visible = two_groups_and_one();
  const auto fused = gradients(in, /*causal=*/false, Kernels::kFused, visible);
  const auto plain = gradients(in, /*causal=*/false, Kernels::kReference, visible);
  for (size_t i = 0; i < fused.size(); ++i)
    EXPECT_LT(relative_error(fused[i], plain[i]), 5e-6) << "input " << i;
}

TEST(Attention, DropoutZeroesWeightsAndKeepsTheMean) {
  for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
    Qkv in = make_inputs({8, 8, 64, 4});
    in.v.fill_(1.0);
    const at::Tensor dropped = attention(in.q, in.k, in.v, /*causal=*/false, {}, 0.25, kernels);
    EXPECT_NEAR(dropped.mean().item<double>(), 1.0, 0.02);
    EXPECT_GT(dropped.std().item<double>(), 0.01);
  }
}

}  // namespace
}  // namespace apollo
