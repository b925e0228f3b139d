// Attention and its gradients, tensor by tensor, against products and a softmax in double
// precision: the plain form, the device's own and the kernels with every instruction set.
#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ops/attention.h"
#include "ops/row_kernels.h"
#include "support/test_device.h"

namespace apollo {

inline constexpr InstructionSet kSets[] = {InstructionSet::kPortable, InstructionSet::kAvx2,
                                           InstructionSet::kAvx512};

struct Size {
  int64_t batch, heads, length, head_width;
};

inline std::string text(const Size& size) {
  return "B " + std::to_string(size.batch) + " H " + std::to_string(size.heads) + " T " +
         std::to_string(size.length) + " K " + std::to_string(size.head_width);
}

inline at::Tensor draw(std::vector<int64_t> shape, uint64_t seed) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::empty(shape, at::kFloat).normal_(0.0, 1.0, random).to(test_device());
}

inline at::Tensor random_qkv(const Size& size, uint64_t seed = 5) {
  return draw({size.batch, size.length, 3 * size.heads * size.head_width}, seed);
}

struct Result {
  at::Tensor mixed;
  at::Tensor grad_qkv;
};

// Differentiates the sum of weights * attention(qkv).
inline Result differentiate(const at::Tensor& qkv, const AttentionPattern& pattern, Kernels kernels,
                            const DropoutDraw& dropout = {}) {
  const at::Tensor leaf = qkv.clone().requires_grad_(true);
  const at::Tensor mixed = multi_head_attention(leaf, pattern, dropout, kernels);
  const at::Tensor weights = draw(mixed.sizes().vec(), 17).to(qkv.scalar_type());
  (mixed * weights).sum().backward();
  return {mixed.detach(), leaf.grad()};
}

inline Result in_double(const at::Tensor& qkv, const AttentionPattern& pattern) {
  return differentiate(qkv.to(at::kDouble), pattern, Kernels::kReference);
}

inline double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor difference = found.to(at::kDouble) - expected;
  return at::linalg_vector_norm(difference).item<double>() /
         at::linalg_vector_norm(expected).item<double>();
}

inline void expect_close(const Result& found, const Result& expected, double tolerance) {
  EXPECT_LT(relative_error(found.mixed, expected.mixed), tolerance);
  const auto found_parts = found.grad_qkv.chunk(3, 2);
  const auto parts = expected.grad_qkv.chunk(3, 2);
  // With one position the weights are constant, so queries and keys have no gradient.
  if (found.mixed.size(1) == 1) {
    EXPECT_LT(found_parts[0].abs().max().item<float>(), 1e-5F);
    EXPECT_LT(found_parts[1].abs().max().item<float>(), 1e-5F);
  } else {
    EXPECT_LT(relative_error(found_parts[0], parts[0]), tolerance) << "queries";
    EXPECT_LT(relative_error(found_parts[1], parts[1]), tolerance) << "keys";
  }
  EXPECT_LT(relative_error(found_parts[2], parts[2]), tolerance) << "values";
}

// Checks every instruction set, then the plain form.
inline void expect_close_everywhere(const at::Tensor& qkv, const AttentionPattern& pattern,
                                    double tolerance = 2e-6) {
  const Result expected = in_double(qkv, pattern);
  for (const InstructionSet set : kSets) {
    if (!is_supported(set)) continue;
    SCOPED_TRACE(testing::Message() << "set " << static_cast<int>(set));
    const InstructionSetScope scope(set);
    expect_close(differentiate(qkv, pattern, Kernels::kFused), expected, tolerance);
  }
  SCOPED_TRACE("reference");
  expect_close(differentiate(qkv, pattern, Kernels::kReference), expected, tolerance);
}

// Documents of 1 to `longest` positions, other ones in each row.
inline at::Tensor document_numbers(int64_t batch, int64_t length, int64_t longest) {
  std::vector<int64_t> numbers;
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t t = 0, size = 0, document = 0; t < length; t += size, ++document) {
      size = std::min(length - t, 1 + (37 * document + 11 * b) % longest);
      numbers.insert(numbers.end(), static_cast<size_t>(size), 100 - 3 * document);
    }
  }
  return at::from_blob(numbers.data(), {batch, length}, at::kLong)
      .to(test_device(), /*non_blocking=*/false, /*copy=*/true);
}

// The formula of grouped queries: every key-value head is repeated for each query head that reads
// it.
inline Result grouped_in_double(const at::Tensor& qkv_BTX, const AttentionPattern& pattern) {
  const int64_t heads = pattern.heads;
  const int64_t kv_heads = pattern.kv_heads;
  const at::Tensor leaf = qkv_BTX.to(at::kDouble).requires_grad_(true);
  const auto parts = leaf.view({leaf.size(0), leaf.size(1), heads + 2 * kv_heads, -1})
                         .split_with_sizes({heads, kv_heads, kv_heads}, 2);
  std::vector<at::Tensor> all = {parts[0]};
  for (size_t i = 1; i < 3; ++i) {
    for (int64_t head = 0; head < heads; ++head)
      all.push_back(parts[i].narrow(2, head * kv_heads / heads, 1));
  }
  AttentionPattern whole = pattern;
  whole.kv_heads = 0;
  const at::Tensor mixed =
      multi_head_attention(at::cat(all, 2).flatten(2, 3), whole, {}, Kernels::kReference);
  (mixed * draw(mixed.sizes().vec(), 17).to(at::kDouble)).sum().backward();
  return {mixed.detach(), leaf.grad()};
}

}  // namespace apollo
