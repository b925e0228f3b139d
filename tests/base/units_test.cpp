#include "base/units.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace apollo {
namespace {

TEST(Units, CountsHaveThreeDigits) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(812), "812");
  EXPECT_EQ(format_count(12340), "12.3k");
  EXPECT_EQ(format_count(4.56e6), "4.56M");
  EXPECT_EQ(format_count(7.89e9), "7.89B");
  EXPECT_EQ(format_count(1.25), "1.25");
  // Rounding that reaches the next suffix takes it.
  EXPECT_EQ(format_count(999949), "1.00M");
  EXPECT_EQ(format_count(999.4), "999");
}

TEST(Units, BytesGoBy1024) {
  EXPECT_EQ(format_bytes(812), "812 B");
  EXPECT_EQ(format_bytes(12.3 * 1024), "12.3 KiB");
  EXPECT_EQ(format_bytes(4.56 * 1024 * 1024), "4.56 MiB");
  EXPECT_EQ(format_bytes(3.0 * 1024 * 1024 * 1024 * 1024), "3.00 TiB");
}

TEST(Units, FlopsAndSeconds) {
  EXPECT_EQ(format_flops(4.1e12), "4.10 TFLOP");
  EXPECT_EQ(format_flops(2.07e13), "20.7 TFLOP");
  EXPECT_EQ(format_flops(1e21), "1.00 ZFLOP");
  EXPECT_EQ(format_seconds(0.84), "0.8s");
  EXPECT_EQ(format_seconds(42), "42s");
  EXPECT_EQ(format_seconds(59.7), "1m00s");
  EXPECT_EQ(format_seconds(93), "1m33s");
  EXPECT_EQ(format_seconds(7500), "2h05m");
  EXPECT_EQ(format_seconds(3 * 86400 + 4 * 3600), "3d04h");
  EXPECT_EQ(format_seconds(-1), "?");
  EXPECT_EQ(format_seconds(std::numeric_limits<double>::quiet_NaN()), "?");
}

}  // namespace
}  // namespace apollo
