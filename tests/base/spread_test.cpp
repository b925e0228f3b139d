#include "base/spread.h"

#include <gtest/gtest.h>

#include <cmath>

namespace apollo {
namespace {

TEST(SpreadOf, IsThatOfASample) {
  EXPECT_EQ(spread_of({}), std::nullopt);
  const Spread one = *spread_of({3.0});
  EXPECT_EQ(one.mean, 3.0);
  EXPECT_EQ(one.deviation, 0.0);
  const Spread spread = *spread_of({1.0, 2.0, 6.0});
  EXPECT_EQ(spread.n, 3);
  EXPECT_EQ(spread.mean, 3.0);
  EXPECT_DOUBLE_EQ(spread.deviation, std::sqrt((4.0 + 1.0 + 9.0) / 2.0));
  EXPECT_EQ(spread.least, 1.0);
  EXPECT_EQ(spread.greatest, 6.0);
}

TEST(HalfInterval, IsStudentsOverTheRootOfN) {
  EXPECT_EQ(spread_of({3.0})->half_interval(), std::nullopt);
  // Three values with a deviation of 1: 4.302653 / sqrt(3).
  EXPECT_NEAR(*spread_of({1.0, 2.0, 3.0})->half_interval(), 2.484138, 1e-6);
  EXPECT_EQ(*spread_of({2.0, 2.0})->half_interval(), 0.0);
}

// Compares with tables of the distribution, on both sides of the end of our own table.
TEST(StudentT, IsTheQuantile) {
  EXPECT_NEAR(student_t_975(1), 12.706205, 1e-6);
  EXPECT_NEAR(student_t_975(4), 2.776445, 1e-6);
  EXPECT_NEAR(student_t_975(30), 2.042272, 1e-6);
  EXPECT_NEAR(student_t_975(31), 2.039513, 1e-5);
  EXPECT_NEAR(student_t_975(120), 1.979930, 1e-5);
}

}  // namespace
}  // namespace apollo
