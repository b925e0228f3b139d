#include "config/model_size.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "arch/counts.h"
#include "config/objective.h"
#include "config/toml_io.h"
#include "config/validate.h"
#include "config/value_names.h"

namespace apollo {
namespace {

constexpr Architecture kArchitectures[] = {Architecture::kGpt2, Architecture::kBert,
                                           Architecture::kLlama, Architecture::kQwen3,
                                           Architecture::kModernBert};

RunConfig config_of(Architecture architecture) {
  RunConfig config;
  config.model.architecture = architecture;
  return config;
}

int64_t count(RunConfig config, const ModelSizes& sizes, int64_t vocab_size) {
  config.model.layers = sizes.layers;
  config.model.width = sizes.width;
  config.model.heads = sizes.heads;
  return num_parameters(model_shape(config, vocab_size), sizes.layers);
}

TEST(ModelSize, HasTheParametersThatWereAskedFor) {
  for (const Architecture architecture : kArchitectures) {
    for (const int64_t vocab_size : {257, 1024, 8192, 32000, 50257, 128256}) {
      const RunConfig config = config_of(architecture);
      const int64_t smallest = count(config, {2, 32, 1}, vocab_size);
      int64_t num_near = 0;
      int64_t num_sizes = 0;
      for (double asked = 1e6; asked <= 1e9; asked *= 1.07) {
        if (asked < static_cast<double>(smallest)) continue;
        const ModelSizes sizes = choose_sizes(config, vocab_size, asked);
        const auto found = static_cast<double>(count(config, sizes, vocab_size));
        EXPECT_EQ(found, static_cast<double>(sizes.parameters));
        EXPECT_NEAR(found, asked, kSizeTolerance * asked)
            << enum_name(architecture) << ", vocabulary " << vocab_size << ": " << sizes.layers
            << " layers of width " << sizes.width;
        num_near += std::abs(found - asked) <= 0.03 * asked ? 1 : 0;
        ++num_sizes;
      }
      EXPECT_GT(num_sizes, 30);
      EXPECT_GT(num_near, num_sizes * 3 / 5) << enum_name(architecture) << " " << vocab_size;
    }
  }
}

TEST(ModelSize, HeadsAndDepthsSuitTheirModel) {
  for (const Architecture architecture : kArchitectures) {
    for (double asked = 1e6; asked <= 1e9; asked *= 1.07) {
      const ModelSizes sizes = choose_sizes(config_of(architecture), 8192, asked);
      ASSERT_EQ(sizes.width % sizes.heads, 0);
      const int64_t head = sizes.width / sizes.heads;
      EXPECT_EQ(head % (sizes.width < 64 ? 4 : 8), 0) << sizes.width;
      EXPECT_GE(head, 32) << sizes.width;
      EXPECT_LE(head, 120) << sizes.width;
      if (sizes.width >= 512) {
        EXPECT_EQ(head, 64) << sizes.width;
      }
      const double usual = sizes.width <= 384
                               ? static_cast<double>(sizes.width) / 32.0
                               : std::max(12.0, static_cast<double>(sizes.width) / 64.0);
      EXPECT_LE(static_cast<double>(sizes.layers), std::max(2.0, 2.0 * usual));
      EXPECT_GE(static_cast<double>(sizes.layers), 0.5 * usual);
      EXPECT_TRUE(sizes.layers <= 10 || sizes.layers % 4 == 0 || sizes.layers % 6 == 0);
    }
  }
}

TEST(ModelSize, Gpt2SmallIsFoundAgain) {
  RunConfig config;
  config.model.context = 1024;
  const ModelSizes sizes = choose_sizes(config, 50257, 124e6);
  EXPECT_EQ(sizes, (ModelSizes{12, 768, 12, 124'439'808}));
}

TEST(ModelSize, GivenSizesStay) {
  const RunConfig config;
  const ModelSizes deep = choose_sizes(config, 8192, 11e6, {.layers = 24});
  EXPECT_EQ(deep.layers, 24);
  EXPECT_NEAR(static_cast<double>(deep.parameters), 11e6, kSizeTolerance * 11e6);
  const ModelSizes wide = choose_sizes(config, 8192, 20e6, {.width = 384});
  EXPECT_EQ(wide.width, 384);
  EXPECT_NEAR(static_cast<double>(wide.parameters), 20e6, kSizeTolerance * 20e6);
  const ModelSizes heads = choose_sizes(config, 8192, 11e6, {.heads = 5});
  EXPECT_EQ(heads.heads, 5);
  EXPECT_EQ(heads.width % 40, 0);
  EXPECT_NEAR(static_cast<double>(heads.parameters), 11e6, kSizeTolerance * 11e6);
}

TEST(ModelSize, OtherKeysOfTheModelCount) {
  RunConfig config = config_of(Architecture::kLlama);
  config.model.kv_heads = 2;
  config.model.inner_width = 512;
  config.model.tie_embeddings = true;
  const ModelSizes sizes = choose_sizes(config, 8192, 11e6);
  EXPECT_EQ(sizes.heads % 2, 0);
  EXPECT_NEAR(static_cast<double>(count(config, sizes, 8192)), 11e6, kSizeTolerance * 11e6);
  config.model.head_dim = 48;
  EXPECT_EQ(choose_sizes(config, 8192, 11e6).heads % 2, 0);
}

TEST(ModelSize, BatchAndRateFollowTheirRules) {
  EXPECT_EQ(batch_size_for(1e5, 128), 16);
  EXPECT_EQ(batch_size_for(1e6, 256), 16);
  EXPECT_EQ(batch_size_for(11e6, 256), 64);
  EXPECT_EQ(batch_size_for(124e6, 1024), 32);
  EXPECT_EQ(batch_size_for(1e9, 1024), 128);
  EXPECT_EQ(batch_size_for(1e5, 100'000), 1);
  EXPECT_DOUBLE_EQ(lr_for(64), 4e-3);
}

TEST(ModelSize, NumbersOfParametersAreRead) {
  EXPECT_EQ(parse_parameters("11M"), 11'000'000);
  EXPECT_EQ(parse_parameters("350k"), 350'000);
  EXPECT_EQ(parse_parameters("1.5B"), 1'500'000'000);
  EXPECT_EQ(parse_parameters("12345678"), 12'345'678);
  for (const char* wrong :
       {"", "M", "11m", "-1M", "0", "11 parameters", "nan", "inf", "2e13", "11M tokens"})
    EXPECT_FALSE(parse_parameters(wrong)) << wrong;
}

}  // namespace
}  // namespace apollo
