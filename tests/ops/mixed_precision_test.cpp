// Mixed precision on the CPU: every operator with its gradients against float64, on every
// instruction set; the rounding of the kernels, number by number; and when a weight is cast.
#include "ops/mixed_precision.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <vector>

#include "ops/attention.h"
#include "ops/dropout.h"
#include "ops/elementwise.h"
#include "ops/gated_linear.h"
#include "ops/gelu_linear.h"
#include "ops/linear.h"
#include "ops/linear_cross_entropy.h"
#include "ops/rotation.h"

namespace apollo {
namespace {

using Tensors = std::vector<at::Tensor>;
using Operator = std::function<at::Tensor(const Tensors& in, Kernels kernels)>;

constexpr InstructionSet kSets[] = {InstructionSet::kPortable, InstructionSet::kAvx2,
                                    InstructionSet::kAvx512};
// A bf16 has 8 bits: one rounding is wrong by 0.4 % at most, and by 0.17 % in the root mean square.
constexpr double kTolerance = 6e-3;

// Numbers that bf16 holds exactly, so that every precision reads the same.
at::Tensor draw(at::IntArrayRef shape, uint64_t seed) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::empty(shape, at::kFloat).normal_(0.0, 1.0, random).to(at::kBFloat16).to(at::kFloat);
}

Tensors draw_all(const std::vector<std::vector<int64_t>>& shapes) {
  Tensors drawn;
  for (size_t i = 0; i < shapes.size(); ++i)
    drawn.push_back(draw(shapes[i], i + 1));
  return drawn;
}

// What a product or a kernel makes, which is bf16 in mixed precision.
at::Tensor made(const at::Tensor& x) {
  return in_mixed_precision() ? x.to(at::kBFloat16) : x;
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  return at::linalg_vector_norm(found.to(at::kDouble) - expected).item<double>() /
         at::linalg_vector_norm(expected).item<double>();
}

// Returns the result and the gradient of each input.
Tensors differentiate(const Operator& op, const Tensors& inputs, at::ScalarType type,
                      Kernels kernels) {
  Tensors leaves;
  for (const at::Tensor& input : inputs) {
    leaves.push_back(input.to(type, /*non_blocking=*/false, /*copy=*/true).requires_grad_(true));
    leaves.back().mutable_grad() = at::zeros_like(leaves.back());
  }
  const at::Tensor y = op(leaves, kernels);
  (y.to(type) * draw(y.sizes(), 99).to(type)).sum().backward();
  Tensors results = {y.detach()};
  for (const at::Tensor& leaf : leaves)
    results.push_back(leaf.grad());
  return results;
}

void expect_close_to_float64(const Operator& op, const Tensors& inputs,
                             double tolerance = kTolerance) {
  const Tensors exact = differentiate(op, inputs, at::kDouble, Kernels::kReference);
  for (const InstructionSet set : kSets) {
    if (!is_supported(set)) continue;
    const InstructionSetScope instructions(set);
    const MixedPrecisionScope mixed;
    const Tensors found = differentiate(op, inputs, at::kFloat, Kernels::kFused);
    for (size_t i = 0; i < exact.size(); ++i) {
      EXPECT_LT(relative_error(found[i], exact[i]), tolerance)
          << (i == 0 ? "value" : "gradient ") << i << ", set " << static_cast<int>(set);
    }
    for (size_t i = 1; i < exact.size(); ++i)
      EXPECT_EQ(found[i].scalar_type(), at::kFloat);
  }
}

TEST(MixedPrecision, Linear) {
  for (const WeightOrder order : {WeightOrder::kInOut, WeightOrder::kOutIn}) {
    const Operator op = [&](const Tensors& in, Kernels kernels) {
      return linear(in[0], {in[1], in[2], order}, kernels);
    };
    const std::vector<int64_t> weight =
        order == WeightOrder::kInOut ? std::vector<int64_t>{37, 21} : std::vector<int64_t>{21, 37};
    expect_close_to_float64(op, draw_all({{3, 71, 37}, weight, {21}}));
  }
}

TEST(MixedPrecision, NormOfAStreamAndItsBranch) {
  for (const NormKind kind : {NormKind::kLayer, NormKind::kRms}) {
    for (const bool feeds_stream : {false, true}) {
      // The norm goes into a product, the sum on; or, as in BERT, the norm goes both ways.
      const Operator op = [&](const Tensors& in, Kernels kernels) {
        const NormLayer layer{in[3], kind == NormKind::kLayer ? in[4] : at::Tensor(), 1e-5, kind,
                              feeds_stream};
        const SumAndNorm result = add_and_norm(in[0], {made(in[1]), in[2]}, layer, kernels);
        const at::Tensor y = linear(result.norm, {in[5]}, kernels);
        return y + (feeds_stream ? result.norm.stream() : result.sum) + in[4];
      };
      expect_close_to_float64(op, draw_all({{2, 67, 35}, {2, 67, 35}, {35}, {35}, {35}, {35, 35}}));
    }
  }
}

TEST(MixedPrecision, OnlyTheNormsOfAStreamAreKeptInFloat32) {
  const Tensors in = draw_all({{5, 24}, {5, 24}, {24}, {24}});
  const MixedPrecisionScope mixed;
  NormLayer layer{in[2], in[3], 1e-5};
  const SumAndNorm once = add_and_norm(in[0], {made(in[1])}, layer, Kernels::kFused);
  EXPECT_EQ(once.sum.scalar_type(), at::kFloat);
  EXPECT_EQ(once.norm.value.scalar_type(), at::kBFloat16);
  EXPECT_FALSE(once.norm.exact.defined());
  layer.feeds_stream = true;
  const Norm both = add_and_norm(in[0], {made(in[1])}, layer, Kernels::kFused).norm;
  EXPECT_EQ(both.stream().scalar_type(), at::kFloat);
  EXPECT_TRUE(both.stream().to(at::kBFloat16).equal(both.value));
}

// The gradient of a norm that nobody reads, and of one that only the stream reads.
TEST(MixedPrecision, NormsThatAreReadInOneWay) {
  for (const bool carried : {true, false}) {
    const Operator op = [&](const Tensors& in, Kernels kernels) {
      const SumAndNorm result = add_and_norm(in[0], {made(in[1]), in[2]},
                                             {in[3], in[4], 1e-5, NormKind::kLayer, true}, kernels);
      return carried ? result.sum + in[3] + in[4] : result.norm.stream();
    };
    expect_close_to_float64(op, draw_all({{67, 35}, {67, 35}, {35}, {35}, {35}}));
  }
}

TEST(MixedPrecision, GeluBetweenProducts) {
  for (const GeluKind kind : {GeluKind::kTanh, GeluKind::kErf}) {
    const Operator op = [&](const Tensors& in, Kernels kernels) {
      return gelu_linear_without_bias(made(in[0]), in[1], kind, {in[2]}, kernels);
    };
    expect_close_to_float64(op, draw_all({{70, 43}, {43}, {43, 19}}));
  }
}

TEST(MixedPrecision, GateBetweenProducts) {
  for (const GateKind kind : {GateKind::kSilu, GateKind::kGelu}) {
    const Operator op = [&](const Tensors& in, Kernels kernels) {
      const LinearLayer layer{in[1], {}, WeightOrder::kOutIn};
      return gated_linear_without_bias(made(in[0]), kind, layer, kernels);
    };
    expect_close_to_float64(op, draw_all({{70, 58}, {17, 29}}));
  }
}

TEST(MixedPrecision, Attention) {
  const AttentionPattern patterns[] = {{.heads = 6, .causal = true},
                                       {.heads = 6},
                                       {.heads = 6, .kv_heads = 2, .causal = true},
                                       {.heads = 6, .window = 9}};
  for (const AttentionPattern& pattern : patterns) {
    const Operator op = [&](const Tensors& in, Kernels kernels) {
      return multi_head_attention(made(in[0]), pattern, {}, kernels);
    };
    const int64_t heads = pattern.heads + 2 * pattern.num_kv_heads();
    expect_close_to_float64(op, draw_all({{2, 75, heads * 11}}));
  }
}

TEST(MixedPrecision, RotationWithAndWithoutNorms) {
  const RotationTable table = rotation_table(rotation_frequencies({.theta = 100.0}, 10), 0, 13);
  for (const bool with_norms : {false, true}) {
    const Operator op = [&](const Tensors& in, Kernels kernels) {
      HeadNorms norms;
      if (with_norms) norms = {in[1], in[2], 1e-5};
      const at::Tensor rotated = rotate_queries_and_keys(made(in[0]), 4, 2, table, norms, kernels);
      return with_norms ? rotated : rotated + in[1].sum() + in[2].sum();
    };
    expect_close_to_float64(op, draw_all({{2, 13, 80}, {10}, {10}}), 1e-2);
  }
}

TEST(MixedPrecision, CrossEntropy) {
  const at::Tensor targets = at::arange(90, at::kLong).remainder(53);
  for (const bool with_bias : {false, true}) {
    const Operator op = [&](const Tensors& in, Kernels kernels) {
      const at::Tensor bias = with_bias ? in[2] : at::Tensor();
      const at::Tensor loss = linear_cross_entropy(made(in[0]), {in[1], bias}, targets, kernels);
      return with_bias ? loss : loss + 0.0 * in[2].sum() + in[2].sum();
    };
    expect_close_to_float64(op, draw_all({{90, 8}, {53, 8}, {53}}), 1e-2);
  }
}

// The kernels compute in float32 and round once: the bits are those of float32, rounded.
TEST(MixedPrecision, KernelsRoundTheResultsOfFloat32) {
  const Tensors in = draw_all({{70, 41}, {41}, {41}, {70, 82}});
  const DropoutDraw keyed{.probability = 0.3, .key = 7};
  const auto all = [&] {
    return Tensors{apply_norm(in[0], {in[1], in[2], 1e-5}, Kernels::kFused).value,
                   bias_gelu(made(in[0]), in[1], GeluKind::kErf, Kernels::kFused),
                   gated(made(in[3]), GateKind::kSilu, Kernels::kFused),
                   dropout(made(in[0]), keyed, Kernels::kFused)};
  };
  for (const InstructionSet set : kSets) {
    if (!is_supported(set)) continue;
    const InstructionSetScope instructions(set);
    const Tensors expected = all();
    const MixedPrecisionScope mixed;
    const Tensors found = all();
    for (size_t i = 0; i < found.size(); ++i)
      EXPECT_TRUE(found[i].equal(expected[i].to(at::kBFloat16))) << i;
  }
}

TEST(MixedPrecision, NumbersThatAreNoneStayNone) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const InstructionSet set : kSets) {
    if (!is_supported(set)) continue;
    const InstructionSetScope instructions(set);
    const MixedPrecisionScope mixed;
    at::Tensor x = draw({3, 37}, 1);
    x[1][36] = kNan;
    x[2][0] = -kNan;
    const at::Tensor zeros = at::full({37}, 0.0);
    const at::Tensor y = bias_gelu(made(x), zeros, GeluKind::kTanh, Kernels::kFused);
    EXPECT_TRUE(y.isnan().equal(x.isnan()));
  }
}

TEST(MixedPrecision, TheWeightGradientAddsToItsBuffer) {
  const at::Tensor x = draw({40, 12}, 1);
  at::Tensor weight = draw({12, 9}, 2).requires_grad_(true);
  weight.mutable_grad() = at::full({12, 9}, 2.0);
  const at::Tensor buffer = weight.grad();
  const MixedPrecisionScope mixed;
  linear(x, {weight}, Kernels::kFused).sum().backward();
  EXPECT_TRUE(weight.grad().is_same(buffer));
  const at::Tensor expected = x.sum(0).to(at::kBFloat16).to(at::kFloat) + 2.0;
  EXPECT_LT(relative_error(buffer.select(1, 3), expected), 1e-3);
}

TEST(MixedPrecision, AWeightIsCastOncePerOutermostScope) {
  const at::Tensor weight = draw({3, 4}, 1);
  const auto place = [&] { return in_bf16(weight).const_data_ptr(); };
  const WeightCastScope outer;
  const void* first = place();
  {
    const MixedPrecisionScope inner;
    EXPECT_EQ(place(), first);
  }
  EXPECT_EQ(place(), first);
  weight.add_(1.0);
  EXPECT_TRUE(in_bf16(weight).equal(weight.to(at::kBFloat16)));
}

TEST(MixedPrecision, EndsWithItsScope) {
  EXPECT_FALSE(in_mixed_precision());
  {
    const MixedPrecisionScope outer;
    { const MixedPrecisionScope inner; }
    EXPECT_TRUE(in_mixed_precision());
  }
  EXPECT_FALSE(in_mixed_precision());
  const Tensors in = draw_all({{5, 24}, {24, 7}});
  EXPECT_EQ(linear(in[0], {in[1]}, Kernels::kFused).scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace apollo
