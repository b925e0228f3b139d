// Attention in which a position sees only what is near it or in its document.
#include <ATen/ops/zeros.h>

#include "ops/attention_checks.h"

namespace apollo {
namespace {

TEST(Attention, GroupedQueriesSeeTheirDocumentInEveryForm) {
  const at::Tensor qkv = draw({2, 33, (4 + 2 * 2) * 8}, 5);
  const AttentionPattern pattern{
      .heads = 4, .kv_heads = 2, .documents_BT = document_numbers(2, 33, 9)};
  const Result expected = grouped_in_double(qkv, pattern);
  for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
    const Result found = differentiate(qkv, pattern, kernels);
    EXPECT_LT(relative_error(found.mixed, expected.mixed), 2e-6);
    EXPECT_LT(relative_error(found.grad_qkv, expected.grad_qkv), 3e-6);
  }
  // Types without our own kernels use the device's.
  const Result found = differentiate(qkv.to(at::kDouble), pattern, Kernels::kFused);
  EXPECT_LT(relative_error(found.mixed, expected.mixed), 1e-12);
  EXPECT_LT(relative_error(found.grad_qkv, expected.grad_qkv), 1e-12);
}

// Around the sizes of vectors, tiles and blocks, where tiles of other documents are left out.
TEST(Attention, PositionsSeeTheirDocument) {
  for (const int64_t length : {1, 8, 31, 127, 130, 257}) {
    for (const int64_t longest : {2, 5, 16, 70, 97}) {
      const Size size{2, 2, length, longest % 2 == 0 ? 20 : 7};
      SCOPED_TRACE(text(size) + " documents up to " + std::to_string(longest));
      for (const bool causal : {true, false}) {
        expect_close_everywhere(random_qkv(size),
                                {.heads = size.heads,
                                 .causal = causal,
                                 .documents_BT = document_numbers(2, length, longest)});
      }
    }
  }
}

// Sizes around those of vectors, tiles and blocks, where tiles outside a window are skipped.
TEST(Attention, WindowsEqualDoublePrecisionAtAwkwardSizes) {
  for (const int64_t length : {1, 5, 63, 65, 130, 257}) {
    for (const int64_t window : {1, 3, 15, 16, 17, 63, 64, 65, 100, 300}) {
      const Size size{1, 2, length, window % 2 == 0 ? 16 : 7};
      SCOPED_TRACE(text(size) + " window " + std::to_string(window));
      expect_close_everywhere(random_qkv(size), {.heads = size.heads, .window = window});
    }
  }
}

TEST(Attention, WindowsWithDocumentsGroupsAndDropout) {
  for (const int64_t window : {0, 2, 11, 70}) {
    const Size size{2, 3, 150, 12};
    SCOPED_TRACE(window);
    const AttentionPattern pattern{.heads = 3,
                                   .causal = window % 2 == 0,
                                   .window = window,
                                   .documents_BT = document_numbers(2, 150, 60)};
    const at::Tensor qkv = random_qkv(size);
    expect_close_everywhere(qkv, pattern);
    const at::Tensor exact = qkv.to(at::kDouble);
    expect_close(differentiate(exact, pattern, Kernels::kFused), in_double(qkv, pattern), 1e-12);
    const AttentionPattern grouped{
        .heads = 4, .kv_heads = 2, .causal = window == 11, .window = window};
    const at::Tensor few = draw({2, 130, (4 + 2 * 2) * 8}, 5);
    const Result expected = grouped_in_double(few, grouped);
    const Result found = differentiate(few, grouped, Kernels::kFused);
    EXPECT_LT(relative_error(found.mixed, expected.mixed), 2e-6);
    EXPECT_LT(relative_error(found.grad_qkv, expected.grad_qkv), 3e-6);
    if (!test_device().is_cpu()) continue;  // where the key says which weights are dropped
    const DropoutDraw draws{0.3, 9};
    expect_close(differentiate(qkv, pattern, Kernels::kFused, draws),
                 differentiate(exact, pattern, Kernels::kReference, draws), 2e-6);
  }
}

TEST(Attention, NothingOfAnotherDocumentIsRead) {
  const Size size{1, 2, 200, 8};
  at::Tensor numbers = at::zeros({1, 200}, at::TensorOptions(test_device()).dtype(at::kLong));
  numbers.slice(1, 90, 130).fill_(1);
  numbers.slice(1, 130).fill_(2);
  const at::Tensor qkv = random_qkv(size);
  at::Tensor other = qkv.clone();
  other.slice(1, 100, 101).add_(3.0);
  for (const bool causal : {true, false}) {
    const AttentionPattern pattern{.heads = size.heads, .causal = causal, .documents_BT = numbers};
    for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
      const at::Tensor before = multi_head_attention(qkv, pattern, {}, kernels);
      const at::Tensor changed = before.ne(multi_head_attention(other, pattern, {}, kernels));
      EXPECT_FALSE(changed.slice(1, 0, causal ? 100 : 90).any().item<bool>());
      EXPECT_FALSE(changed.slice(1, 130).any().item<bool>());
      EXPECT_TRUE(changed.slice(1, 100, 130).any(2).all().item<bool>());
    }
  }
}

TEST(Attention, NothingOutsideOfTheWindowIsRead) {
  const Size size{1, 2, 200, 8};
  const AttentionPattern pattern{.heads = size.heads, .window = 20};
  const at::Tensor qkv = random_qkv(size);
  at::Tensor other = qkv.clone();
  other.slice(1, 100, 101).add_(3.0);
  for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
    const at::Tensor before = multi_head_attention(qkv, pattern, {}, kernels);
    const at::Tensor changed = before.ne(multi_head_attention(other, pattern, {}, kernels));
    EXPECT_FALSE(changed.slice(1, 0, 80).any().item<bool>());
    EXPECT_FALSE(changed.slice(1, 121).any().item<bool>());
    EXPECT_TRUE(changed.slice(1, 80, 121).any(2).all().item<bool>());
  }
}

}  // namespace
}  // namespace apollo
