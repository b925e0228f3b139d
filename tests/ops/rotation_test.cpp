// Rotation and the norms of heads against the formulas in float64, on every instruction set.
#include "ops/rotation.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "ops/row_kernels.h"
#include "support/test_device.h"

namespace apollo {
namespace {

constexpr double kEpsilon = 1e-6;
constexpr InstructionSet kSets[] = {InstructionSet::kPortable, InstructionSet::kAvx2,
                                    InstructionSet::kAvx512};

at::Tensor draw(std::vector<int64_t> shape, uint64_t seed) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::empty(shape, at::kFloat).normal_(0.0, 1.0, random).to(test_device());
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  return at::linalg_vector_norm(found.to(at::kDouble) - expected).item<double>() /
         at::linalg_vector_norm(expected).item<double>();
}

struct Size {
  int64_t batch, length, heads, kv_heads, head_width;

  int64_t width() const { return (heads + 2 * kv_heads) * head_width; }
};

constexpr Size kSizes[] = {
    {1, 1, 1, 1, 2}, {2, 5, 3, 1, 6}, {3, 43, 6, 2, 12}, {2, 64, 4, 4, 32}, {1, 131, 2, 1, 80}};

at::Tensor frequencies(int64_t half) {
  std::vector<float> found;
  for (int64_t i = 0; i < half; ++i)
    found.push_back(static_cast<float>(std::pow(100.0, -static_cast<double>(i) / half)));
  return at::from_blob(found.data(), {half}, at::kFloat).clone().to(test_device());
}

// qkv, and the norms' weights where there are norms.
using Inputs = std::vector<at::Tensor>;

Inputs make_inputs(const Size& size, bool with_norms) {
  Inputs inputs = {draw({size.batch, size.length, size.width()}, 1)};
  if (with_norms) {
    inputs.push_back(draw({size.head_width}, 2));
    inputs.push_back(draw({size.head_width}, 3));
  }
  return inputs;
}

// {result, gradients of the inputs}.
Inputs outcome(const Inputs& inputs, at::ScalarType type,
               const std::function<at::Tensor(const Inputs&)>& apply) {
  Inputs leaves;
  for (const at::Tensor& input : inputs)
    leaves.push_back(input.to(type, false, /*copy=*/true).requires_grad_(true));
  const at::Tensor y = apply(leaves);
  (y * draw(y.sizes().vec(), 9).to(type)).sum().backward();
  Inputs found = {y.detach()};
  for (const at::Tensor& leaf : leaves)
    found.push_back(leaf.grad());
  return found;
}

// Head by head, as the formula stands.
at::Tensor formula(const Inputs& in, const Size& size, const RotationTable& table) {
  const at::Tensor heads = in[0].view({size.batch, size.length, -1, size.head_width});
  const int64_t half = size.head_width / 2;
  const at::Tensor cos = table.cos_TR.to(in[0].scalar_type());
  const at::Tensor sin = table.sin_TR.to(in[0].scalar_type());
  std::vector<at::Tensor> result;
  for (int64_t head = 0; head < heads.size(2); ++head) {
    at::Tensor x = heads.select(2, head);
    if (head < size.heads + size.kv_heads) {
      if (in.size() > 1) {
        x = x / (x.square().mean(-1, /*keepdim=*/true) + kEpsilon).sqrt() *
            in[head < size.heads ? 1 : 2];
      }
      const at::Tensor a = x.narrow(-1, 0, half), b = x.narrow(-1, half, half);
      x = at::stack({a * cos - b * sin, b * cos + a * sin}, -2).flatten(-2, -1);
    }
    result.push_back(x);
  }
  return at::stack(result, 2).flatten(2, 3);
}

at::Tensor rotated(const Inputs& in, const Size& size, const RotationTable& table,
                   Kernels kernels) {
  const HeadNorms norms = in.size() > 1 ? HeadNorms{in[1], in[2], kEpsilon} : HeadNorms{};
  return rotate_queries_and_keys(in[0], size.heads, size.kv_heads, table, norms, kernels);
}

TEST(Rotation, EqualsFloat64) {
  for (const Size& size : kSizes) {
    for (const bool with_norms : {false, true}) {
      const RotationTable table =
          rotation_table(frequencies(size.head_width / 2), /*first=*/3, size.length);
      const Inputs inputs = make_inputs(size, with_norms);
      const Inputs exact =
          outcome(inputs, at::kDouble, [&](const Inputs& in) { return formula(in, size, table); });
      const auto hold = [&](Kernels kernels) {
        const Inputs found = outcome(inputs, at::kFloat, [&](const Inputs& in) {
          return rotated(in, size, table, kernels);
        });
        ASSERT_EQ(found.size(), exact.size());
        for (size_t i = 0; i < found.size(); ++i)
          EXPECT_LT(relative_error(found[i], exact[i]), 3e-6) << "tensor " << i;
      };
      for (const InstructionSet set : kSets) {
        if (!is_supported(set)) continue;
        SCOPED_TRACE(testing::Message() << "set " << static_cast<int>(set) << ", norms "
                                        << with_norms << ", K " << size.head_width);
        const InstructionSetScope scope(set);
        hold(Kernels::kFused);
      }
      hold(Kernels::kReference);
    }
  }
}

TEST(Rotation, TheScoreOfTwoPositionsDependsOnTheirDistance) {
  const at::Tensor frequencies_R = frequencies(4);
  const at::Tensor query = draw({8}, 1), key = draw({8}, 2);
  const auto score = [&](int64_t t, int64_t s) {
    const auto at_position = [&](const at::Tensor& x, int64_t position) {
      // One head of each; queries come first.
      const at::Tensor qkv = x.repeat({3}).view({1, 1, 24});
      return rotate_queries_and_keys(qkv, 1, 1, rotation_table(frequencies_R, position, 1), {},
                                     Kernels::kFused)
          .flatten()
          .narrow(0, 0, 8);
    };
    return at_position(query, t).dot(at_position(key, s)).item<double>();
  };
  EXPECT_NEAR(score(7, 3), score(11, 7), 1e-5);
  EXPECT_NEAR(score(7, 3), score(4, 0), 1e-5);
  EXPECT_GT(std::abs(score(7, 3) - score(7, 4)), 1e-3);
}

TEST(Rotation, ATableOfLaterPositionsIsAPartOfTheWhole) {
  const at::Tensor frequencies_R = frequencies(6);
  const RotationTable whole = rotation_table(frequencies_R, 0, 50);
  const RotationTable part = rotation_table(frequencies_R, 20, 7);
  EXPECT_TRUE(part.cos_TR.equal(whole.cos_TR.narrow(0, 20, 7)));
  EXPECT_TRUE(part.sin_TR.equal(whole.sin_TR.narrow(0, 20, 7)));
}

TEST(Rotation, ThreadsDoNotChangeTheBits) {
  const Size size{4, 67, 3, 1, 10};
  const RotationTable table = rotation_table(frequencies(5), 0, size.length);
  const int threads = at::get_num_threads();
  const auto run = [&](int count) {
    at::set_num_threads(count);
    return outcome(make_inputs(size, /*with_norms=*/true), at::kFloat,
                   [&](const Inputs& in) { return rotated(in, size, table, Kernels::kFused); });
  };
  const Inputs one = run(1), three = run(3);
  at::set_num_threads(threads);
  for (size_t i = 0; i < one.size(); ++i)
    EXPECT_TRUE(one[i].equal(three[i])) << "tensor " << i;
}

TEST(Rotation, OtherTypesRunOnAten) {
  const Size size{2, 9, 2, 1, 8};
  const RotationTable table = rotation_table(frequencies(4), 0, size.length);
  const Inputs inputs = make_inputs(size, /*with_norms=*/true);
  const at::Tensor exact = formula(inputs, size, table).to(at::kDouble);
  const at::Tensor found =
      rotated({inputs[0].to(at::kBFloat16), inputs[1], inputs[2]}, size, table, Kernels::kFused);
  EXPECT_EQ(found.scalar_type(), at::kBFloat16);
  EXPECT_LT(relative_error(found, exact), 2e-2);
}

}  // namespace
}  // namespace apollo
