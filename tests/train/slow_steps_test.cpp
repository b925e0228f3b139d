#include "train/slow_steps.h"

#include <gtest/gtest.h>

namespace apollo {
namespace {

TEST(SlowSteps, AreToldOfOnceWhenTheyLast) {
  SlowSteps steps;
  for (const double rate : {9.0, 10.0, 3.0, 3.0, 4.0, 3.0, 3.0})
    EXPECT_EQ(steps.add(rate), std::nullopt) << "four is not slow enough, and begins anew";
  EXPECT_EQ(steps.add(2.0), 5.0);
  EXPECT_EQ(steps.add(2.0), std::nullopt) << "said already";
}

TEST(SlowSteps, AnotherDepthHasAnotherRate) {
  SlowSteps steps;
  steps.add(10.0);
  steps.forget_rates();
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(steps.add(2.0), std::nullopt);
}

}  // namespace
}  // namespace apollo
