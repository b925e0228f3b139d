#include "progressive/methods.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "config/fields.h"
#include "progressive/stage_faults.h"

namespace apollo {
namespace {

std::string stages_of(const std::string& method, int64_t layers) {
  return stages_text(find_method(method).fill(Architecture::kGpt2, layers).stages);
}

std::string apollo_stages(int64_t layers) {
  return stages_of("apollo", layers);
}

TEST(Methods, ApolloStages) {
  EXPECT_EQ(apollo_stages(12), "1 until 5% steps, 3 until 10% steps, 6 until 25% steps, 12");
  EXPECT_EQ(apollo_stages(24), "2 until 5% steps, 6 until 10% steps, 12 until 25% steps, 24");
  EXPECT_EQ(apollo_stages(18), "1 until 5% steps, 3 until 10% steps, 9 until 25% steps, 18");
  EXPECT_EQ(apollo_stages(10), "1 until 10% steps, 5 until 25% steps, 10");
  EXPECT_EQ(apollo_stages(9), "1 until 5% steps, 3 until 25% steps, 9");
  EXPECT_EQ(apollo_stages(7), "1 until 25% steps, 7");
  EXPECT_EQ(apollo_stages(2), "1 until 25% steps, 2");
  EXPECT_EQ(apollo_stages(1), "1");
}

TEST(Methods, ApolloGrowthIsAlwaysExact) {
  for (int64_t layers = 1; layers <= 200; ++layers) {
    const RunConfig::Progressive keys = find_method("apollo").fill(Architecture::kGpt2, layers);
    ASSERT_EQ(keys.stages.back().layers, layers);
    for (size_t i = 1; i < keys.stages.size(); ++i) {
      ASSERT_LT(keys.stages[i - 1].layers, keys.stages[i].layers);
      ASSERT_EQ(keys.stages[i].layers % keys.stages[i - 1].layers, 0) << layers;
      if (i + 1 == keys.stages.size()) continue;
      ASSERT_LT(keys.stages[i - 1].until->value, keys.stages[i].until->value);
    }
  }
}

TEST(Methods, ApolloPlusStagesAreLongerAndRehearseLate) {
  EXPECT_EQ(stages_of("apollo+", 12), "1 until 30%, 3 until 40%, 6 until 80%, 12");
  EXPECT_EQ(stages_of("apollo+", 10), "1 until 40%, 5 until 80%, 10");
  EXPECT_EQ(stages_of("apollo+", 1), "1");
  const RunConfig::Progressive keys = find_method("apollo+").fill(Architecture::kGpt2, 12);
  EXPECT_EQ(stages_text(find_method("apollo+").fill(Architecture::kBert, 12).stages),
            "1 until 20%, 3 until 30%, 6 until 70%, 12");
  EXPECT_EQ(keys.rehearse_from, 0.8);
  EXPECT_EQ(keys.stratify, 32);
  EXPECT_EQ(keys.lr_depth_power, 0.25);
  RunConfig::Train train;
  train.lr_axis = LrAxis::kSteps;
  find_method("apollo+").fill_train(train);
  EXPECT_EQ(train.lr_axis, LrAxis::kFlops);
  EXPECT_EQ(to_string(train.warmup), "10%");
}

TEST(Methods, ScratchIsOneStage) {
  const RunConfig::Progressive keys = find_method("scratch").fill(Architecture::kGpt2, 12);
  EXPECT_EQ(stages_text(keys.stages), "12");
}

TEST(Methods, ThoseFromATrainedModelAreOneStageThatStacks) {
  for (const auto& [name, map] :
       {std::pair{"bert2bert", SourceMap::kAki}, {"ligo", SourceMap::kLigo}}) {
    const Method& method = find_method(name);
    EXPECT_TRUE(method.needs_source);
    const RunConfig::Progressive keys = method.fill(Architecture::kGpt2, 12);
    EXPECT_EQ(stages_text(keys.stages), "12");
    EXPECT_EQ(keys.layer_map, LayerMapKind::kStack);
    EXPECT_EQ(keys.depth_sampler, DepthSamplerKind::kShallowest);
    EXPECT_EQ(keys.source_map, map);
    EXPECT_EQ(keys.source_steps, 100);
    EXPECT_TRUE(keys.charge_source);
  }
  EXPECT_FALSE(find_method("apollo").needs_source);
}

TEST(Methods, UnknownMethodNamesTheNearest) {
  try {
    find_method("apolo");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(
        error.what(),
        "unknown method 'apolo': known are 'scratch', 'apollo', 'apollo+', 'stackbert', 'mslt', "
        "'gstack', 'midas', "
        "'lidas', 'one_hop', 'raptr', 'identity', 'bert2bert', "
        "'ligo'; did you mean 'apollo'?");
  }
}

// map, new layers, what trains, sampler and moments.
std::string keys_of(const std::string& method) {
  const RunConfig::Progressive keys = find_method(method).fill(Architecture::kGpt2, 12);
  return fmt::format("{} {} {} {} {}", enum_name(keys.layer_map), enum_name(keys.new_layers),
                     enum_name(keys.trains), enum_name(keys.depth_sampler),
                     enum_name(keys.optimizer_state));
}

TEST(Methods, KeysOfEach) {
  EXPECT_EQ(keys_of("apollo"), "interpolate copy all lvps transport");
  EXPECT_EQ(keys_of("apollo+"), "interpolate copy all lvps transport");
  EXPECT_EQ(keys_of("stackbert"), "stack copy all shallowest reset");
  EXPECT_EQ(keys_of("mslt"), "stack copy new shallowest keep");
  EXPECT_EQ(keys_of("gstack"), "stack copy all shallowest reset");
  EXPECT_EQ(keys_of("midas"), "middle_block copy all shallowest transport");
  EXPECT_EQ(keys_of("lidas"), "middle copy all shallowest transport");
  EXPECT_EQ(keys_of("one_hop"), "interpolate copy all shallowest transport");
  EXPECT_EQ(keys_of("raptr"), "interpolate copy all shallowest transport");
  EXPECT_EQ(keys_of("identity"), "interpolate identity all shallowest transport");
}

TEST(Methods, StagesOfEach) {
  // 50,000, 120,000 and 400,000 steps of 400,000.
  EXPECT_EQ(stages_of("stackbert", 12), "3 until 12.5% steps, 6 until 30% steps, 12");
  EXPECT_EQ(stages_of("stackbert", 24), "6 until 12.5% steps, 12 until 30% steps, 24");
  EXPECT_EQ(stages_of("stackbert", 7), "1 until 30% steps, 7");
  EXPECT_EQ(stages_of("mslt", 12),
            "3 until 20% steps, 6 until 40% steps, 9 until 60% steps, 12 until 80% steps, 12");
  EXPECT_EQ(stages_of("mslt", 6), "2 until 25% steps, 4 until 50% steps, 6 until 75% steps, 6");
  EXPECT_EQ(stages_of("gstack", 24), "6 until 10% steps, 24");
  EXPECT_EQ(stages_of("gstack", 10), "2 until 10% steps, 10");
  EXPECT_EQ(stages_of("one_hop", 12), "1 until 80% steps, 12");
  EXPECT_EQ(stages_of("raptr", 12),
            "12 at 6 until 25% steps, 12 at 8 until 50% steps, 12 at 10 until 75% steps, 12");
  EXPECT_EQ(stages_of("raptr", 24),
            "24 at 12 until 25% steps, 24 at 16 until 50% steps, 24 at 20 until 75% steps, 24");
  EXPECT_EQ(stages_of("raptr", 3), "3 at 2 until 50% steps, 3");
  EXPECT_EQ(stages_of("identity", 12), stages_of("stackbert", 12));
  EXPECT_EQ(stages_of("lidas", 24), stages_of("midas", 24));
}

TEST(Methods, StagesOfMidasLastInProportionToTheSquareOfTheirNumber) {
  const std::vector<StageSpec> stages = find_method("midas").fill(Architecture::kGpt2, 24).stages;
  ASSERT_EQ(stages.size(), 6u);
  double end = 0.0;
  for (int64_t i = 1; i <= 6; ++i) {
    const StageSpec& stage = stages[static_cast<size_t>(i - 1)];
    EXPECT_EQ(stage.layers, 4 * i);
    end += static_cast<double>(i * i);
    if (i < 6) EXPECT_DOUBLE_EQ(stage.until->value, 100.0 * end / 91.0);
  }
  // Steps of depth: as near to 6 as the divisors allow.
  EXPECT_EQ(find_method("midas").fill(Architecture::kGpt2, 12).stages.size(), 6u);
  EXPECT_EQ(find_method("midas").fill(Architecture::kGpt2, 32).stages.size(), 4u);
  EXPECT_EQ(find_method("midas").fill(Architecture::kGpt2, 14).stages.size(), 7u);
  EXPECT_EQ(find_method("midas").fill(Architecture::kGpt2, 13).stages.size(), 13u);
}

TEST(Methods, EachHasAScheduleForEveryDepthThatIsNotTooSmall) {
  for (const Method& method : methods()) {
    RunConfig config;
    config.train.duration = {1000, DurationUnit::kSteps};
    for (int64_t layers = 3; layers <= 100; ++layers) {
      config.model.layers = layers;
      config.progressive = method.fill(Architecture::kGpt2, layers);
      const std::vector<Diagnostic> faults = stage_faults(config);
      EXPECT_TRUE(faults.empty()) << method.name << " of " << layers << ": " << faults.front().where
                                  << ": " << faults.front().message;
    }
  }
}

TEST(Methods, RefuseAModelThatIsTooShallow) {
  const auto error_of = [](const std::string& method, int64_t layers) -> std::string {
    try {
      find_method(method).fill(Architecture::kGpt2, layers);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "no error";
  };
  for (const char* name :
       {"stackbert", "mslt", "gstack", "midas", "lidas", "one_hop", "identity"}) {
    EXPECT_EQ(error_of(name, 1),
              fmt::format("method '{}' needs a model of at least 2 layers (got 1)", name));
    EXPECT_EQ(error_of(name, 2), "no error");
  }
  EXPECT_EQ(error_of("raptr", 2), "method 'raptr' needs a model of at least 3 layers (got 2)");
}

}  // namespace
}  // namespace apollo
