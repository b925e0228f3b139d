#include "parallel/own_address.h"

#include <gtest/gtest.h>

namespace apollo {
namespace {

TEST(OwnAddress, IsTheOneFromWhichTheOtherIsReached) {
  EXPECT_EQ(own_address_towards("127.0.0.1", 29500), "127.0.0.1");
  EXPECT_EQ(own_address_towards("127.0.0.7", 29500), "127.0.0.1") << "by the loopback card too";
}

TEST(OwnAddress, OfNobody) {
  EXPECT_EQ(own_address_towards("no-such-host.invalid", 29500), std::nullopt);
}

}  // namespace
}  // namespace apollo
