#include "optim/clip.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace apollo {
namespace {

at::Tensor three_four_twelve() {
  return at::tensor({3.0F, 0.0F, -4.0F, 12.0F});
}

TEST(Clip, NormIsEuclidean) {
  EXPECT_DOUBLE_EQ(gradient_norm(three_four_twelve()), 13.0);
  EXPECT_EQ(gradient_norm(at::zeros({5})), 0.0);
}

TEST(Clip, NormIsThatOfAllBlocks) {
  // 2 blocks and a half of ones.
  const int64_t size = 2 * kNormBlock + kNormBlock / 2;
  EXPECT_NEAR(gradient_norm(at::ones({size})), std::sqrt(static_cast<double>(size)), 1e-5);
}

TEST(Clip, NormShowsWhatIsNotFinite) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    at::Tensor gradients = three_four_twelve();
    gradients[1] = bad;
    EXPECT_FALSE(std::isfinite(gradient_norm(gradients)));
  }
}

TEST(Clip, ScalesToTheLargestNorm) {
  const at::Tensor gradients = three_four_twelve();
  clip_gradients(gradients, 13.0, 2.0);
  EXPECT_NEAR(gradient_norm(gradients), 2.0, 1e-6);
  EXPECT_FLOAT_EQ(gradients[0].item<float>(), static_cast<float>(3.0 * 2.0 / (13.0 + 1e-6)));
}

TEST(Clip, LeavesSmallerNormsAndNoLimitAlone) {
  for (const double largest : {13.1, 0.0}) {
    const at::Tensor gradients = three_four_twelve();
    clip_gradients(gradients, 13.0, largest);
    EXPECT_TRUE(gradients.equal(three_four_twelve()));
  }
}

}  // namespace
}  // namespace apollo
