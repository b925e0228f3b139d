#include "progressive/map_trial.h"

#include <gtest/gtest.h>

#include "progressive/memory.h"
#include "progressive/small_run.h"

namespace apollo {
namespace {

using enum LayerMapKind;

RunConfig config_with_trial(int64_t steps) {
  RunConfig config = small_config();
  config.progressive.trial_steps = steps;
  return config;
}

// With their hints.
std::vector<std::string> trial_faults_of(const RunConfig& config) {
  std::vector<std::string> texts;
  for (const Diagnostic& fault : map_trial_faults(config)) {
    texts.push_back(fault.where + ": " + fault.message +
                    (fault.hint.empty() ? "" : "; hint: " + fault.hint));
  }
  return texts;
}

TEST(MapTrial, MapsThatGiveTheSameLayersAreOne) {
  RunConfig::Progressive keys;
  EXPECT_TRUE(maps_to_try(keys, 3, 6).empty()) << "trial_steps is 0";
  keys.trial_steps = 10;
  EXPECT_EQ(maps_to_try(keys, 3, 6), (std::vector{kInterpolate, kStack}));
  EXPECT_TRUE(maps_to_try(keys, 1, 6).empty());
  EXPECT_TRUE(maps_to_try(keys, 0, 6).empty());
  keys.trial_maps = {kStack, kMiddle, kInterpolate};
  EXPECT_EQ(maps_to_try(keys, 3, 6), (std::vector{kStack, kInterpolate}));
  EXPECT_EQ(maps_to_try(keys, 4, 6), (std::vector{kStack, kMiddle, kInterpolate}));
}

TEST(MapTrial, EveryCopyIsChargedAndTheStepsAreTheRuns) {
  RunConfig config = config_with_trial(7);
  config.progressive.depth_sampler = DepthSamplerKind::kShallowest;
  const ModelShape shape = model_shape(config, 100);
  const Schedule schedule = schedule_of(config);
  EXPECT_EQ(lengths_of(schedule), (std::vector<int64_t>{50, 50, 150, 750}));
  const int64_t layers[] = {1, 3, 6, 12};
  const int64_t copy_steps[] = {0, 0, 7, 7};
  double flops = 0.0;
  for (size_t i = 0; i < 4; ++i) {
    const Schedule::StageSummary& stage = schedule.summaries()[i];
    const double step = train_flops(shape, layers[i], 8, 32);
    EXPECT_EQ(stage.num_copy_steps, copy_steps[i]);
    EXPECT_EQ(stage.copy_flops, static_cast<double>(copy_steps[i]) * step);
    EXPECT_EQ(stage.flops, static_cast<double>(stage.num_steps + copy_steps[i]) * step);
    flops += stage.flops;
  }
  EXPECT_EQ(schedule.total_flops(), flops);
  EXPECT_EQ(schedule.total_steps(), 1000);
}

TEST(MapTrial, TheBudgetOfARunPaysForIt) {
  RunConfig config = small_config();
  config.progressive.depth_sampler = DepthSamplerKind::kShallowest;
  const double budget = schedule_of(config).total_flops();
  config.train.duration = {budget, DurationUnit::kFlops};
  config.progressive.stages = {{3, Duration{20, DurationUnit::kPercent}}, {12, std::nullopt}};
  const Schedule without = schedule_of(config);
  config.progressive.trial_steps = 40;
  config.progressive.trial_maps = {kInterpolate, kStack};
  const Schedule with = schedule_of(config);
  EXPECT_EQ(with.total_steps(), without.total_steps() - 40);
  EXPECT_EQ(with.total_flops(), without.total_flops());
}

TEST(MapTrial, RunsFromGrowthOnAndHoldsTheStageBack) {
  const Schedule schedule = schedule_of(config_with_trial(7));
  StageState state;
  ASSERT_TRUE(schedule.advance({.step = 50}, state));
  EXPECT_EQ(schedule.num_copies({.step = 50}, state), 1) << "one layer grows by one map";
  ASSERT_TRUE(schedule.advance({.step = 100}, state));
  EXPECT_EQ(schedule.maps_on_trial({.step = 100}, state), (std::vector{kInterpolate, kStack}));
  EXPECT_EQ(schedule.num_copies({.step = 106}, state), 2);
  EXPECT_EQ(schedule.num_copies({.step = 107}, state), 1);
  // A stage of hours may be over before its trial is.
  state = {.index = 2, .start = {.step = 248}, .grown = {.step = 248}, .grown_from = 3};
  EXPECT_FALSE(schedule.advance({.step = 254}, state));
  EXPECT_TRUE(schedule.advance({.step = 255}, state));
  EXPECT_EQ(state.grown_from, 6);
}

TEST(MapTrial, StagesThatArePassedThroughAreOneGrowth) {
  const Schedule schedule = schedule_of(config_with_trial(7));
  StageState state;
  ASSERT_TRUE(schedule.advance({.step = 100}, state));
  EXPECT_EQ(state.index, 2);
  EXPECT_EQ(state.grown_from, 1);
  EXPECT_EQ(schedule.num_copies({.step = 100}, state), 1);
}

TEST(MapTrial, TheFirstStageHasNone) {
  RunConfig config = config_with_trial(7);
  config.progressive.stages = {{6, Duration{10, DurationUnit::kSteps}}, {12, std::nullopt}};
  EXPECT_EQ(schedule_of(config).num_copies({}, {}), 1);
}

TEST(MapTrial, MemoryOfTheOtherCopies) {
  const RunConfig config = config_with_trial(7);
  const ModelShape shape = model_shape(config, 100);
  EXPECT_EQ(map_trial_bytes(config, shape), state_bytes(shape, 6) + state_bytes(shape, 12));
  EXPECT_EQ(map_trial_bytes(small_config(), shape), 0.0);
}

TEST(MapTrial, RefusesMapsThatAreNoChoice) {
  RunConfig config = config_with_trial(7);
  config.progressive.trial_maps = {kStack};
  EXPECT_EQ(trial_faults_of(config),
            std::vector<std::string>{
                "progressive.trial_maps: a trial needs at least two maps, each of them once (got "
                "[\"stack\"]); hint: trial_steps = 0 grows by layer_map without a trial"});
  config.progressive.trial_maps = {kStack, kInterpolate, kStack};
  EXPECT_EQ(trial_faults_of(config).at(0).find("progressive.trial_maps: a trial needs"), 0u);
  config.progressive.trial_steps = 0;
  EXPECT_TRUE(trial_faults_of(config).empty());
}

TEST(MapTrial, RefusesARunWithoutAChoice) {
  RunConfig config = config_with_trial(7);
  const Duration until{10, DurationUnit::kSteps};
  const std::vector<std::string> expected = {
      "progressive.trial_steps: no growth of this run has maps to choose from: [\"interpolate\", "
      "\"stack\"] give the same layers at each; hint: trial_steps = 0, or stages of which one "
      "grows "
      "from two layers or more"};
  config.progressive.stages = {{12, std::nullopt}};
  EXPECT_EQ(trial_faults_of(config), expected);
  config.progressive.stages = {{1, until}, {12, std::nullopt}};
  EXPECT_EQ(trial_faults_of(config), expected);
  config.progressive.stages = {{0, until}, {12, std::nullopt}};
  EXPECT_EQ(trial_faults_of(config), expected);
  config.progressive.stages = {{2, until}, {12, std::nullopt}};
  EXPECT_TRUE(trial_faults_of(config).empty());
}

TEST(MapTrial, RefusesLayersThatMustLieAbove) {
  RunConfig config = config_with_trial(7);
  config.progressive.trains = Trains::kNew;
  EXPECT_EQ(trial_faults_of(config),
            std::vector<std::string>{
                "progressive.trial_steps: a trial may put new layers between the others, where "
                "trains 'new' needs them above: it needs trains 'all'"});
}

TEST(MapTrial, ReadinessIsThatOfOneOfTheMaps) {
  RunConfig config = config_with_trial(7);
  config.progressive.grow_when = GrowWhen::kGain;
  EXPECT_TRUE(faults_of(config).empty());
  config.progressive.trial_maps = {kStack, kMiddle};
  EXPECT_EQ(trial_faults_of(config),
            std::vector<std::string>{
                "progressive.trial_maps: grow_when 'gain' looks at the loss after growth by "
                "layer_map, which must be one of the maps (got [\"stack\", \"middle\"] without "
                "'interpolate')"});
}

TEST(MapTrial, RefusesStagesThatAMapCannotGrow) {
  RunConfig config = config_with_trial(7);
  config.progressive.trial_maps = {kInterpolate, kMiddleBlock};
  EXPECT_EQ(faults_of(config),
            (std::vector<std::string>{
                "progressive.stages[1].layers: cannot grow 1 layers to 3 by a copy of the middle "
                "block: its 2 layers must divide 1"}));
}

TEST(MapTrial, RefusesATrialThatFillsItsStage) {
  EXPECT_EQ(faults_of(config_with_trial(150)),
            std::vector<std::string>{
                "progressive.trial_steps: the trial at the growth to 6 layers leaves that stage no "
                "step for itself (got 150)"});
  EXPECT_TRUE(faults_of(config_with_trial(149)).empty());
  EXPECT_EQ(faults_of(config_with_trial(800)).size(), 2u);
}

}  // namespace
}  // namespace apollo
