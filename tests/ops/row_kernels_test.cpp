// GELU number by number: the kernels' own exp and tail of the normal distribution against those of
// the standard library in double precision, with every instruction set of the machine.
#include "ops/row_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"

namespace apollo {
namespace {

constexpr InstructionSet kSets[] = {InstructionSet::kPortable, InstructionSet::kAvx2,
                                    InstructionSet::kAvx512};
constexpr GeluKind kKinds[] = {GeluKind::kTanh, GeluKind::kErf};
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kMax = std::numeric_limits<float>::max();

struct ValueAndSlope {
  double value;
  double slope;
};

ValueAndSlope exact_gelu(double x, GeluKind kind) {
  if (kind == GeluKind::kErf) {
    const double phi = 0.5 * std::erfc(-x / std::sqrt(2.0));
    return {x * phi, phi + x * std::exp(-0.5 * x * x) / std::sqrt(2.0 * M_PI)};
  }
  const double two_k = 2.0 * std::sqrt(2.0 / M_PI);
  const double e = std::exp(-two_k * (x + 0.044715 * x * x * x));
  const double phi = 1.0 / (1.0 + e);
  // If e overflows, the slope of the tail is 0 too.
  const double slope = std::isinf(e) ? 0.0 : phi * (e * phi) * two_k * (1.0 + 3 * 0.044715 * x * x);
  return {x * phi, phi + x * slope};
}

// Computes GELU with the current kernels, as one row.
std::vector<ValueAndSlope> kernel_gelu(const std::vector<float>& x, GeluKind kind) {
  const auto width = static_cast<int64_t>(x.size());
  const std::vector<float> zeros(x.size()), ones(x.size(), 1.0F);
  std::vector<float> y(x.size()), grad(x.size()), grad_bias(x.size());
  row_kernels().fp32.bias_gelu({width, kind, x.data(), zeros.data(), y.data()}, 0, 1);
  row_kernels().fp32.bias_gelu_gradient(
      {width, kind, x.data(), zeros.data(), ones.data(), grad.data(), grad_bias.data()}, 0, 1);
  std::vector<ValueAndSlope> found;
  for (size_t i = 0; i < x.size(); ++i)
    found.push_back({y[i], grad[i]});
  return found;
}

template <class Body>
void for_supported_sets(const Body& body) {
  for (const InstructionSet set : kSets) {
    if (!is_supported(set)) continue;
    SCOPED_TRACE(testing::Message() << "set " << static_cast<int>(set));
    const InstructionSetScope scope(set);
    for (const GeluKind kind : kKinds)
      body(kind);
  }
}

TEST(RowKernels, GeluIsCloseEverywhere) {
  std::vector<float> x;
  for (double at = -15.0; at < 15.0; at += 1.7e-5)
    x.push_back(static_cast<float>(at));
  for_supported_sets([&](GeluKind kind) {
    const auto found = kernel_gelu(x, kind);
    double worst_value = 0.0, worst_slope = 0.0, worst_relative = 0.0;
    for (size_t i = 0; i < x.size(); ++i) {
      const ValueAndSlope exact = exact_gelu(x[i], kind);
      const double error = std::abs(found[i].value - exact.value);
      worst_value = std::max(worst_value, error / std::max(1.0, std::abs(exact.value)));
      worst_slope = std::max(worst_slope, std::abs(found[i].slope - exact.slope));
      if (x[i] > -3.0F && x[i] != 0.0F) {
        worst_relative = std::max(worst_relative, error / std::abs(exact.value));
      }
    }
    EXPECT_LT(worst_value, 2e-7);
    EXPECT_LT(worst_slope, 4e-7);
    EXPECT_LT(worst_relative, 1e-6);
  });
}

TEST(RowKernels, TinyNumbersAreHalved) {
  const std::vector<float> x = {0.0F,   -0.0F,  1e-45F, -1e-45F, 2e-45F, -1e-40F,
                                1e-38F, 1e-30F, 1e-10F, -1e-10F, 1e-8F,  -1e-8F};
  for_supported_sets([&](GeluKind kind) {
    const auto found = kernel_gelu(x, kind);
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(found[i].value, 0.5 * x[i], 1e-7 * std::abs(x[i]) + 2e-45) << x[i];
      EXPECT_NEAR(found[i].slope, 0.5, 1e-7) << x[i];
    }
  });
}

TEST(RowKernels, LargeNumbersPassOrVanish) {
  for_supported_sets([&](GeluKind kind) {
    const std::vector<float> large = {14.0F, 20.0F, 1e3F, 1e13F, 1e20F, kMax, kInf};
    for (const float x : large) {
      const auto found = kernel_gelu({x, -x}, kind);
      EXPECT_EQ(found[0].value, x);
      EXPECT_EQ(found[0].slope, 1.0) << x;
      EXPECT_EQ(found[1].slope, 0.0) << x;
      // -inf * 0, as in ATen.
      if (x < kInf) {
        EXPECT_EQ(found[1].value, 0.0) << x;
      } else {
        EXPECT_TRUE(std::isnan(found[1].value));
      }
    }
  });
}

TEST(RowKernels, NanStays) {
  for_supported_sets([&](GeluKind kind) {
    const std::vector<float> x(37, std::numeric_limits<float>::quiet_NaN());
    for (const ValueAndSlope& found : kernel_gelu(x, kind)) {
      EXPECT_TRUE(std::isnan(found.value));
      EXPECT_TRUE(std::isnan(found.slope));
    }
  });
}

// Rows outside the range, and numbers beyond each row's end, stay as they are.
TEST(RowKernels, NothingIsWrittenOutsideTheRange) {
  constexpr int64_t kWidth = 21;
  constexpr float kMark = 1234.5F;
  for_supported_sets([&](GeluKind kind) {
    const std::vector<float> x(5 * kWidth, 0.5F), bias(kWidth, 0.25F);
    std::vector<float> y(5 * kWidth, kMark);
    row_kernels().fp32.bias_gelu({kWidth, kind, x.data(), bias.data(), y.data()}, 1, 4);
    for (int64_t i = 0; i < 5 * kWidth; ++i)
      EXPECT_EQ(y[static_cast<size_t>(i)] != kMark, i >= kWidth && i < 4 * kWidth) << i;
  });
}

TEST(RowKernels, TheBestSetIsInUseAndAScopeEnds) {
  const RowKernels* best = &row_kernels();
  const InstructionSet last = is_supported(InstructionSet::kAvx512) ? InstructionSet::kAvx512
                              : is_supported(InstructionSet::kAvx2) ? InstructionSet::kAvx2
                                                                    : InstructionSet::kPortable;
  {
    const InstructionSetScope scope(last);
    EXPECT_EQ(&row_kernels(), best);
  }
  {
    const InstructionSetScope scope(InstructionSet::kPortable);
    EXPECT_EQ(&row_kernels() == best, last == InstructionSet::kPortable);
  }
  EXPECT_EQ(&row_kernels(), best);
}

}  // namespace
}  // namespace apollo
