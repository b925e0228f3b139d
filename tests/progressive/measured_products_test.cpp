#include "progressive/measured_products.h"

#include <gtest/gtest.h>

#include "config/objective.h"

namespace apollo {
namespace {

RunConfig config_of(int64_t width, int64_t rows) {
  RunConfig config;
  config.model.layers = 3;
  config.model.width = width;
  config.model.heads = 2;
  config.model.context = 32;
  config.train.micro_batch_size = rows;
  return config;
}

TEST(MeasuredProducts, MeasuresTheProductsOfTheRunWithItsWeights) {
  const RunConfig config = config_of(64, 4);
  const auto products = measured_products(config, model_shape(config, 1000));
  // Queries, keys and values; the heads' projection; the MLP; the head. Attention is our own.
  const double expected[][4] = {{128, 64, 192, 3},
                                {128, 64, 64, 3},
                                {128, 64, 256, 3},
                                {128, 256, 64, 3},
                                {128, 64, 1000, 1}};
  ASSERT_EQ(products.size(), 5U);
  for (size_t i = 0; i < products.size(); ++i) {
    EXPECT_EQ(products[i].rows, expected[i][0]);
    EXPECT_EQ(products[i].inner, expected[i][1]);
    EXPECT_EQ(products[i].outer, expected[i][2]);
    EXPECT_EQ(products[i].weight, expected[i][3]);
  }
}

TEST(MeasuredProducts, LargeProductsAreMeasuredWithFewerRowsAndTinyOnesNotAtAll) {
  const RunConfig large = config_of(1024, 64);
  for (const MeasuredProduct& product : measured_products(large, model_shape(large, 50000))) {
    EXPECT_GE(product.rows, 64);
    EXPECT_LT(product.rows, 64 * 32);
  }
  const RunConfig tiny = config_of(16, 2);
  EXPECT_TRUE(measured_products(tiny, model_shape(tiny, 257)).empty());
}

}  // namespace
}  // namespace apollo
