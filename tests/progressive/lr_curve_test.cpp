#include "progressive/lr_curve.h"

#include <gtest/gtest.h>

#include <cmath>

namespace apollo {
namespace {

LrCurve curve(LrSchedule kind) {
  return {kind, /*peak=*/8e-3, /*final_fraction=*/0.1, /*warmup=*/0.1, /*decay=*/0.2};
}

constexpr LrSchedule kAll[] = {LrSchedule::kCosine, LrSchedule::kLinear, LrSchedule::kConstant,
                               LrSchedule::kWsd};

TEST(LrCurve, WarmsUpLinearlyFromZero) {
  for (const LrSchedule kind : kAll) {
    EXPECT_EQ(curve(kind).at(0.0), 0.0);
    EXPECT_DOUBLE_EQ(curve(kind).at(0.025), 2e-3);
    EXPECT_DOUBLE_EQ(curve(kind).at(0.05), 4e-3);
    EXPECT_DOUBLE_EQ(curve(kind).at(0.1), 8e-3);
    EXPECT_NEAR(curve(kind).at(std::nextafter(0.1, 0.0)), 8e-3, 1e-12);
  }
}

TEST(LrCurve, CosineFallsToItsFinalFraction) {
  EXPECT_DOUBLE_EQ(curve(LrSchedule::kCosine).at(0.55), 8e-3 * 0.55);
  EXPECT_DOUBLE_EQ(curve(LrSchedule::kCosine).at(0.325),
                   8e-3 * (0.1 + 0.9 * 0.5 * (1.0 + std::sqrt(0.5))));
  EXPECT_DOUBLE_EQ(curve(LrSchedule::kCosine).at(1.0), 8e-4);
}

TEST(LrCurve, LinearFallsToItsFinalFraction) {
  EXPECT_DOUBLE_EQ(curve(LrSchedule::kLinear).at(0.55), 8e-3 * 0.55);
  EXPECT_DOUBLE_EQ(curve(LrSchedule::kLinear).at(0.775), 8e-3 * 0.325);
  EXPECT_DOUBLE_EQ(curve(LrSchedule::kLinear).at(1.0), 8e-4);
}

TEST(LrCurve, ConstantStaysAtThePeak) {
  for (const double progress : {0.1, 0.5, 1.0})
    EXPECT_EQ(curve(LrSchedule::kConstant).at(progress), 8e-3);
}

TEST(LrCurve, WsdIsFlatThenFallsBySquareRoot) {
  EXPECT_EQ(curve(LrSchedule::kWsd).at(0.5), 8e-3);
  EXPECT_DOUBLE_EQ(curve(LrSchedule::kWsd).at(0.8), 8e-3);
  EXPECT_NEAR(curve(LrSchedule::kWsd).at(0.85), 8e-3 * (0.1 + 0.9 * 0.5), 1e-15);
  EXPECT_DOUBLE_EQ(curve(LrSchedule::kWsd).at(1.0), 8e-4);
}

TEST(LrCurve, WsdWhoseDecayMeetsTheWarmupStartsAfterIt) {
  LrCurve wsd = curve(LrSchedule::kWsd);
  wsd.decay = 0.95;
  EXPECT_DOUBLE_EQ(wsd.at(0.1), 8e-3);
  EXPECT_NEAR(wsd.at(0.1 + 0.9 / 4), 8e-3 * (0.1 + 0.9 * 0.5), 1e-15);
}

TEST(LrCurve, BordersOfProgressAndWarmup) {
  for (const LrSchedule kind : kAll) {
    EXPECT_EQ(curve(kind).at(-0.5), curve(kind).at(0.0));
    EXPECT_EQ(curve(kind).at(1.5), curve(kind).at(1.0));
    LrCurve whole = curve(kind);
    whole.warmup = 0.0;
    whole.final_fraction = 0.0;
    EXPECT_EQ(whole.at(0.0), 8e-3);
    EXPECT_NEAR(whole.at(1.0), kind == LrSchedule::kConstant ? 8e-3 : 0.0, 1e-18);
    whole.warmup = 1.0;
    EXPECT_DOUBLE_EQ(whole.at(0.5), 4e-3);
    EXPECT_DOUBLE_EQ(whole.at(1.0), 8e-3);
  }
}

}  // namespace
}  // namespace apollo
