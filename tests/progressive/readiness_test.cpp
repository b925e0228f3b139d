#include "progressive/readiness.h"

#include <gtest/gtest.h>

namespace apollo {
namespace {

// Ten steps of 100 FLOPs between two probes; a step at the next depth costs 200.
constexpr double kNextStepFlops = 200.0;

DepthProbe before(double loss, double next_loss) {
  return {{.step = 20, .flops = 2000.0}, loss, next_loss};
}

DepthProbe now(double loss, double next_loss) {
  return {{.step = 30, .flops = 3000.0}, loss, next_loss};
}

bool gain_is_ready(const DepthProbe& last, const DepthProbe& probe) {
  return is_ready(GrowWhen::kGain, probe, expected_gains(last, probe, kNextStepFlops));
}

TEST(Readiness, ReadyIsNoWorseAtTheNextDepth) {
  EXPECT_TRUE(is_ready(GrowWhen::kReady, now(3.0, 2.9), {}));
  EXPECT_TRUE(is_ready(GrowWhen::kReady, now(3.0, 3.0), {}));
  EXPECT_FALSE(is_ready(GrowWhen::kReady, now(3.0, 3.001), {}));
  EXPECT_TRUE(is_ready(GrowWhen::kReady, now(3.0, 2.9), Gains{.own = 1.0, .next = 0.1}));
}

TEST(Readiness, GainsArePerFlopOfTheDepthThatRuns) {
  const Gains gains = expected_gains(before(3.0, 3.2), now(2.9, 3.0), kNextStepFlops);
  EXPECT_NEAR(gains.own, 0.1 / 1000.0, 1e-15);
  // From 2.9 to 3.0 at once, then down by 0.2 in ten steps.
  EXPECT_NEAR(gains.next, 0.1 / 2000.0, 1e-15);
}

TEST(Readiness, AStageThatLearnsAsFastStaysSinceItsStepsCostLess) {
  EXPECT_FALSE(gain_is_ready(before(3.0, 3.0), now(2.8, 2.8)));
  // Twice the decrease is what twice the cost must bring.
  EXPECT_FALSE(gain_is_ready(before(3.0, 3.0), now(2.75, 2.75)));
  EXPECT_TRUE(gain_is_ready(before(3.0, 3.125), now(2.875, 2.75)));
}

TEST(Readiness, AStageThatFlattensGrows) {
  EXPECT_TRUE(gain_is_ready(before(3.0, 3.0), now(2.99, 2.95)));
  EXPECT_TRUE(gain_is_ready(before(3.0, 3.0), now(3.01, 2.99)));
}

TEST(Readiness, AJumpUpwardsMustPayWithinTheInterval) {
  EXPECT_FALSE(gain_is_ready(before(3.0, 3.6), now(2.99, 3.4)));
  EXPECT_TRUE(gain_is_ready(before(3.0, 3.3), now(2.99, 3.1)));
}

TEST(Readiness, WhatPromisesNoDecreaseDoesNotGrow) {
  EXPECT_FALSE(gain_is_ready(before(3.0, 3.0), now(3.2, 3.15)));
  EXPECT_FALSE(is_ready(GrowWhen::kGain, now(3.0, 2.0), {})) << "the first probe of a stage";
}

}  // namespace
}  // namespace apollo
