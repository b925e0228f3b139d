#include "progressive/methods.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace apollo {
namespace {

std::string stages_text(const std::vector<StageSpec>& stages) {
  std::string text;
  for (const StageSpec& stage : stages) {
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", stage.layers,
                        stage.until ? " until " + to_string(*stage.until) : "");
  }
  return text;
}

std::string apollo_stages(int64_t layers) {
  return stages_text(find_method("apollo").fill(layers).stages);
}

TEST(Methods, ApolloStages) {
  EXPECT_EQ(apollo_stages(12), "1 until 5%, 3 until 10%, 6 until 25%, 12");
  EXPECT_EQ(apollo_stages(24), "2 until 5%, 6 until 10%, 12 until 25%, 24");
  EXPECT_EQ(apollo_stages(18), "1 until 5%, 3 until 10%, 9 until 25%, 18");
  EXPECT_EQ(apollo_stages(10), "1 until 10%, 5 until 25%, 10");
  EXPECT_EQ(apollo_stages(9), "1 until 5%, 3 until 25%, 9");
  EXPECT_EQ(apollo_stages(7), "1 until 25%, 7");
  EXPECT_EQ(apollo_stages(2), "1 until 25%, 2");
  EXPECT_EQ(apollo_stages(1), "1");
}

TEST(Methods, ApolloGrowthIsAlwaysExact) {
  for (int64_t layers = 1; layers <= 200; ++layers) {
    const RunConfig::Progressive keys = find_method("apollo").fill(layers);
    ASSERT_EQ(keys.stages.back().layers, layers);
    for (size_t i = 1; i < keys.stages.size(); ++i) {
      ASSERT_LT(keys.stages[i - 1].layers, keys.stages[i].layers);
      ASSERT_EQ(keys.stages[i].layers % keys.stages[i - 1].layers, 0) << layers;
      if (i + 1 == keys.stages.size()) continue;
      ASSERT_LT(keys.stages[i - 1].until->value, keys.stages[i].until->value);
    }
  }
}

TEST(Methods, ScratchIsOneStage) {
  const RunConfig::Progressive keys = find_method("scratch").fill(12);
  EXPECT_EQ(stages_text(keys.stages), "12");
}

TEST(Methods, UnknownMethodNamesTheNearest) {
  try {
    find_method("apolo");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(),
                 "unknown method 'apolo': known are 'scratch', 'apollo', 'stackbert', 'mslt', "
                 "'gstack', 'midas', "
                 "'lidas', 'one_hop', 'raptr', 'identity'; did you mean 'apollo'?");
  }
}

}  // namespace
}  // namespace apollo
