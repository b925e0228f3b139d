// Attention and its gradients, tensor by tensor, against products and a softmax in double
// precision: the plain form, the device's kernel, and our kernels with every instruction set.
#include "ops/attention.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/triu.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ops/attention_checks.h"
#include "ops/dropout.h"

namespace apollo {
namespace {

// The reference of all other tests is checked against the formula itself.
TEST(Attention, ThePlainFormIsTheFormula) {
  const Size size{2, 3, 7, 5};
  const at::Tensor qkv = random_qkv(size).to(at::kCPU, at::kDouble);
  const auto x = qkv.view({2, 7, 3, 3, 5});
  const auto in = x.accessor<double, 5>();
  const at::Tensor documents_BT = document_numbers(2, 7, 4).cpu();
  const auto document = documents_BT.accessor<int64_t, 2>();
  const AttentionPattern patterns[] = {
      {.heads = 3, .causal = true},
      {.heads = 3},
      {.heads = 3, .window = 2},
      {.heads = 3, .documents_BT = documents_BT},
      {.heads = 3, .causal = true, .window = 2, .documents_BT = documents_BT}};
  for (const AttentionPattern& pattern : patterns) {
    const at::Tensor mixed =
        multi_head_attention(qkv, pattern, {}, Kernels::kReference).view({2, 7, 3, 5});
    const auto found = mixed.accessor<double, 4>();
    const auto sees = [&](int64_t b, int64_t i, int64_t j) {
      return (!pattern.causal || j <= i) &&
             (pattern.window == 0 || std::abs(i - j) <= pattern.window) &&
             (!pattern.documents_BT.defined() || document[b][i] == document[b][j]);
    };
    for (int64_t b = 0; b < 2; ++b) {
      for (int64_t h = 0; h < 3; ++h) {
        for (int64_t i = 0; i < 7; ++i) {
          double total = 0.0;
          double sums[5] = {};
          for (int64_t j = 0; j < 7; ++j) {
            if (!sees(b, i, j)) continue;
            double score = 0.0;
            for (int64_t c = 0; c < 5; ++c)
              score += in[b][i][0][h][c] * in[b][j][1][h][c];
            const double weight = std::exp(score / std::sqrt(5.0));
            total += weight;
            for (int64_t c = 0; c < 5; ++c)
              sums[c] += weight * in[b][j][2][h][c];
          }
          for (int64_t c = 0; c < 5; ++c)
            EXPECT_NEAR(found[b][i][h][c], sums[c] / total, 1e-12);
        }
      }
    }
  }
}

TEST(Attention, EqualsDoublePrecisionAtAwkwardSizes) {
  for (const int64_t length : {1, 2, 31, 33, 64, 127, 130}) {
    for (const int64_t head_width : {1, 7, 16, 20, 33, 64, 80}) {
      const Size size{2, 2, length, head_width};
      for (const bool causal : {true, false}) {
        SCOPED_TRACE(text(size) + (causal ? " causal" : " full"));
        expect_close_everywhere(random_qkv(size), {.heads = size.heads, .causal = causal});
      }
    }
  }
}
TEST(Attention, GroupedQueriesEqualDoublePrecision) {
  for (const auto& [heads, kv_heads] : {std::pair{6, 2}, {4, 1}, {3, 3}, {6, 3}}) {
    for (const auto& [length, head_width] :
         {std::pair{1, 4}, {31, 7}, {64, 16}, {65, 12}, {130, 20}}) {
      for (const bool causal : {true, false}) {
        SCOPED_TRACE(testing::Message() << heads << " heads, " << kv_heads << " of keys, T "
                                        << length << " K " << head_width << " " << causal);
        const AttentionPattern pattern{.heads = heads, .kv_heads = kv_heads, .causal = causal};
        const at::Tensor qkv = draw({2, length, (heads + 2 * kv_heads) * head_width}, 5);
        const Result expected = grouped_in_double(qkv, pattern);
        const auto hold = [&](Kernels kernels) {
          const Result found = differentiate(qkv, pattern, kernels);
          EXPECT_LT(relative_error(found.mixed, expected.mixed), 2e-6);
          const std::vector<int64_t> sizes = {heads * head_width, kv_heads * head_width,
                                              kv_heads * head_width};
          const auto parts = found.grad_qkv.split_with_sizes(sizes, 2);
          const auto exact = expected.grad_qkv.split_with_sizes(sizes, 2);
          for (size_t i = 0; i < 3; ++i) {
            // With one position, queries and keys have no gradient.
            if (i < 2 && length == 1) {
              EXPECT_LT(parts[i].abs().max().item<float>(), 1e-5F);
            } else {
              EXPECT_LT(relative_error(parts[i], exact[i]), 3e-6) << "part " << i;
            }
          }
        };
        for (const InstructionSet set : kSets) {
          if (!is_supported(set)) continue;
          SCOPED_TRACE(testing::Message() << "set " << static_cast<int>(set));
          const InstructionSetScope scope(set);
          hold(Kernels::kFused);
        }
        hold(Kernels::kReference);
      }
    }
  }
}
// Scores of about 100 carry the rounding of their size into the weights, in either form.
TEST(Attention, ScoresFarApartNeitherOverflowNorVanish) {
  const Size size{1, 2, 70, 16};
  for (const bool causal : {true, false}) {
    expect_close_everywhere(random_qkv(size) * 6.0, {.heads = size.heads, .causal = causal}, 1e-5);
  }
}

TEST(Attention, WhatIsNotANumberIsHandedOn) {
  const Size size{1, 1, 5, 4};
  at::Tensor qkv = random_qkv(size);
  qkv.select(1, 2).fill_(std::numeric_limits<float>::quiet_NaN());
  for (const InstructionSet set : kSets) {
    if (!is_supported(set)) continue;
    const InstructionSetScope scope(set);
    const at::Tensor mixed =
        multi_head_attention(qkv, {.heads = 1, .causal = true}, {}, Kernels::kFused);
    EXPECT_TRUE(mixed.slice(1, 2).isnan().all().item<bool>());
  }
}

TEST(Attention, CausalPositionsDoNotSeeTheFuture) {
  const Size size{2, 3, 77, 5};
  for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
    const AttentionPattern pattern{.heads = size.heads, .causal = true};
    at::Tensor qkv = random_qkv(size);
    const at::Tensor before = multi_head_attention(qkv, pattern, {}, kernels);
    for (const int64_t changed : {1, 16, 40, 65, 76}) {
      at::Tensor other = qkv.clone();
      other.slice(1, changed).add_(3.0);
      const at::Tensor after = multi_head_attention(other, pattern, {}, kernels);
      EXPECT_TRUE(before.slice(1, 0, changed).equal(after.slice(1, 0, changed))) << changed;
      EXPECT_FALSE(
          before.slice(1, changed, changed + 1).equal(after.slice(1, changed, changed + 1)))
          << changed;
    }
  }
}

TEST(Attention, DoesNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  const Size size{3, 5, 130, 24};
  const at::Tensor qkv = random_qkv(size);
  const AttentionPattern pattern{.heads = size.heads, .causal = true};
  at::set_num_threads(1);
  const Result one = differentiate(qkv, pattern, Kernels::kFused);
  at::set_num_threads(2);
  const Result two = differentiate(qkv, pattern, Kernels::kFused);
  at::set_num_threads(threads);
  EXPECT_TRUE(one.mixed.equal(two.mixed));
  EXPECT_TRUE(one.grad_qkv.equal(two.grad_qkv));
}

TEST(Attention, IsTheSameWithoutGradient) {
  const Size size{2, 2, 33, 16};
  const at::Tensor qkv = random_qkv(size);
  const AttentionPattern pattern{.heads = size.heads, .causal = true};
  const Result with_gradient = differentiate(qkv, pattern, Kernels::kFused);
  const at::NoGradGuard no_grad;
  const at::Tensor mixed = multi_head_attention(qkv, pattern, {}, Kernels::kFused);
  EXPECT_FALSE(mixed.requires_grad());
  EXPECT_TRUE(mixed.equal(with_gradient.mixed));
}

TEST(Attention, TakesWhatIsNotDense) {
  const Size size{2, 2, 9, 8};
  const at::Tensor qkv = random_qkv(size);
  const at::Tensor strided = qkv.transpose(0, 1).contiguous().transpose(0, 1);
  const AttentionPattern pattern{.heads = size.heads, .causal = true};
  EXPECT_LT(relative_error(multi_head_attention(strided, pattern, {}, Kernels::kFused),
                           in_double(qkv, pattern).mixed),
            2e-6);
}

TEST(Attention, DropoutZeroesWeightsAndKeepsTheMean) {
  const Size size{8, 8, 64, 4};
  for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
    at::Tensor qkv = random_qkv(size);
    qkv.slice(2, 2 * 32).fill_(1.0);
    const at::Tensor dropped = multi_head_attention(qkv, {.heads = size.heads}, {0.25, 6}, kernels);
    EXPECT_NEAR(dropped.mean().item<double>(), 1.0, 0.02);
    EXPECT_GT(dropped.std().item<double>(), 0.01);
  }
}

// On a GPU the device's generator draws, on the CPU the key does.
at::Tensor with_key(uint64_t key, const at::Tensor& qkv, const AttentionPattern& pattern,
                    double dropout, Kernels kernels = Kernels::kFused) {
  seed_dropout(test_device(), key);
  return multi_head_attention(qkv, pattern, {dropout, key}, kernels);
}

// Returns the factor 1 / (1 - p), or 0, of each weight, [B, H, T, T]. The values are the rows of
// the identity, for T = K.
at::Tensor mask_of(uint64_t seed, const Size& size, bool causal, double dropout) {
  at::Tensor qkv = at::zeros({size.batch, size.length, 3 * size.heads * size.head_width},
                             at::TensorOptions(test_device()));
  const at::Tensor values =
      qkv.view({size.batch, size.length, 3, size.heads, size.head_width}).select(2, 2);
  for (int64_t t = 0; t < size.length; ++t)
    values.select(1, t).select(2, t).fill_(1.0);
  const AttentionPattern pattern{.heads = size.heads, .causal = causal};
  // All scores are equal: each weight is one over the number of positions seen.
  const at::Tensor mixed_BTHK = with_key(seed, qkv, pattern, dropout)
                                    .view({size.batch, size.length, size.heads, size.head_width});
  at::Tensor mask_BHTT = mixed_BTHK.transpose(1, 2).contiguous();
  for (int64_t t = 0; t < size.length; ++t)
    mask_BHTT.select(2, t).mul_(static_cast<double>(causal ? t + 1 : size.length));
  return mask_BHTT;
}

TEST(Attention, DropoutHasTheGradientOfItsMask) {
  const Size size{2, 3, 70, 70};
  constexpr double kDropout = 0.3;
  const at::Tensor weights = draw({size.batch, size.length, size.heads * size.head_width}, 17);
  for (const InstructionSet set : kSets) {
    if (!is_supported(set)) continue;
    const InstructionSetScope scope(set);
    for (const bool causal : {true, false}) {
      const at::Tensor mask_BHTT = mask_of(9, size, causal, kDropout).to(at::kDouble);
      const at::Tensor exact = random_qkv(size).to(at::kDouble).requires_grad_(true);
      const auto parts =
          exact.view({size.batch, size.length, 3, size.heads, size.head_width}).unbind(2);
      at::Tensor scores = at::matmul(parts[0].transpose(1, 2), parts[1].permute({0, 2, 3, 1})) /
                          std::sqrt(static_cast<double>(size.head_width));
      if (causal) {
        const at::Tensor future =
            at::ones({size.length, size.length}, at::TensorOptions(test_device()).dtype(at::kBool))
                .triu(1);
        scores = scores.masked_fill(future, -std::numeric_limits<double>::infinity());
      }
      const at::Tensor mixed =
          at::matmul(at::softmax(scores, -1) * mask_BHTT, parts[2].transpose(1, 2))
              .transpose(1, 2)
              .flatten(2);
      (mixed * weights.to(at::kDouble)).sum().backward();

      const at::Tensor leaf = random_qkv(size).requires_grad_(true);
      const at::Tensor found = with_key(9, leaf, {.heads = size.heads, .causal = causal}, kDropout);
      (found * weights).sum().backward();
      expect_close({found.detach(), leaf.grad()}, {mixed.detach(), exact.grad()}, 2e-6);
    }
  }
}

TEST(Attention, DropoutKeepsItsShareEverywhere) {
  const Size size{16, 4, 64, 64};
  for (const double dropout : {0.1, 0.5}) {
    const at::Tensor kept = mask_of(3, size, /*causal=*/false, dropout).gt(0).to(at::kDouble);
    // Six standard deviations of the mean of that many independent draws.
    const auto bound = [&](double count) {
      return 6.0 * std::sqrt(dropout * (1.0 - dropout) / count);
    };
    EXPECT_NEAR(kept.mean().item<double>(), 1.0 - dropout, bound(16 * 4 * 64 * 64));
    for (const int64_t dimension : {0, 1, 2, 3}) {
      const at::Tensor off =
          (kept.transpose(0, dimension).flatten(1).mean(1) - (1.0 - dropout)).abs();
      const auto count = static_cast<double>(kept.numel() / kept.size(dimension));
      EXPECT_LT(off.max().item<double>(), bound(count)) << "dimension " << dimension;
    }
    // Neighbours are independent.
    const at::Tensor both = kept.slice(3, 1) * kept.slice(3, 0, 63);
    const double share = (1.0 - dropout) * (1.0 - dropout);
    EXPECT_NEAR(both.mean().item<double>(), share, 0.005);
    const at::Tensor below = kept.slice(2, 1) * kept.slice(2, 0, 63);
    EXPECT_NEAR(below.mean().item<double>(), share, 0.005);
  }
}

TEST(Attention, DropoutFollowsTheKey) {
  const Size size{1, 2, 16, 16};
  const at::Tensor qkv = random_qkv(size);
  const AttentionPattern pattern{.heads = size.heads};
  const at::Tensor first = with_key(1, qkv, pattern, 0.5);
  EXPECT_TRUE(first.equal(with_key(1, qkv, pattern, 0.5)));
  EXPECT_FALSE(first.equal(with_key(2, qkv, pattern, 0.5)));
}

TEST(Attention, DropoutIsTheSameInThePlainFormOnACpu) {
  if (!test_device().is_cpu()) GTEST_SKIP() << "a GPU's generator draws for each form";
  const Size size{2, 3, 33, 8};
  const at::Tensor qkv = random_qkv(size);
  for (const bool causal : {true, false}) {
    const AttentionPattern pattern{.heads = size.heads, .causal = causal};
    const at::Tensor plain = with_key(5, qkv, pattern, 0.3, Kernels::kReference);
    EXPECT_LT(relative_error(with_key(5, qkv, pattern, 0.3), plain.to(at::kDouble)), 2e-6);
  }
}

}  // namespace
}  // namespace apollo
