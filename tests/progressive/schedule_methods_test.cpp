// What methods and Apollo's own keys require of the schedule.
#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "config/objective.h"
#include "progressive/small_run.h"

namespace apollo {
namespace {

RunConfig config_with(const std::string& method) {
  RunConfig config = small_config();
  config.progressive = find_method(method).fill(Architecture::kGpt2, 12);
  return config;
}

TEST(Schedule, FrozenLayersCostNoBackwardPass) {
  const RunConfig config = config_with("mslt");
  const ModelShape shape = model_shape(config, 100);
  const Schedule schedule = schedule_of(config);
  EXPECT_EQ(lengths_of(schedule), (std::vector<int64_t>{200, 200, 200, 200, 200}));
  const int64_t layers[] = {3, 6, 9, 12, 12};
  const int64_t frozen[] = {0, 3, 6, 9, 0};
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(schedule.stages()[static_cast<size_t>(i)].frozen, frozen[i]);
    EXPECT_EQ(schedule.step_flops({layers[i]}, {.index = i, .start = {}}),
              train_flops(shape, layers[i], 8, 32, /*recompute=*/false, frozen[i]));
  }
}

TEST(Schedule, WhatTheLastGrowthAddedTrainsThroughTheStagesAfterIt) {
  RunConfig config = config_with("mslt");
  const auto until = [](double steps) { return Duration{steps, DurationUnit::kSteps}; };
  config.progressive.stages = {{4, until(10)}, {4, until(20)},  {6, until(30)},
                               {6, until(40)}, {12, until(50)}, {12, std::nullopt}};
  const Schedule schedule = schedule_of(config);
  std::vector<int64_t> frozen;
  for (const Stage& stage : schedule.stages())
    frozen.push_back(stage.frozen);
  EXPECT_EQ(frozen, (std::vector<int64_t>{0, 0, 4, 4, 6, 0}));
}

TEST(Schedule, ASubnetworkIsDrawnForEveryStep) {
  RunConfig config = config_with("raptr");
  config.train.micro_batch_size = 4;
  Schedule schedule = schedule_of(config);
  EXPECT_EQ(lengths_of(schedule), (std::vector<int64_t>{250, 250, 250, 250}));
  EXPECT_EQ(schedule.summaries()[1].mean_depth, 8.0);
  EXPECT_EQ(schedule.summaries()[1].num_rehearsal_steps, 0);
  const RunPosition position = {.step = 300};
  const StageState second = {.index = 1, .start = {.step = 250}};
  EXPECT_EQ(schedule.depths_at(position, second), (std::vector<int64_t>{8, 8}));
  EXPECT_EQ(schedule.blocks_at(8, 0, position, second), random_subnetwork(12, 8, 42, 300, 0));
  EXPECT_EQ(schedule.blocks_at(8, 1, position, second), schedule.blocks_at(8, 0, position, second));
  EXPECT_EQ(schedule.blocks_at(12, 0, position, {.index = 3, .start = {}}),
            sharing_map(LayerMapKind::kInterpolate, 12, 12));
  config.progressive.depth_draw = DepthDraw::kMicroBatch;
  schedule = schedule_of(config);
  EXPECT_EQ(schedule.blocks_at(8, 1, position, second), random_subnetwork(12, 8, 42, 300, 1));
}

TEST(Schedule, DeeperPassesShareByTheMapOfTheRun) {
  RunConfig config = small_config();
  for (const LayerMapKind kind : {LayerMapKind::kInterpolate, LayerMapKind::kStack}) {
    config.progressive.layer_map = kind;
    EXPECT_EQ(schedule_of(config).blocks_at(7, 0, {}, {.index = 1, .start = {}}),
              sharing_map(kind, 3, 7));
  }
}

TEST(Schedule, StratifiedDrawsAreKeyedByTheirNumber) {
  RunConfig config = small_config();
  config.progressive.depth_sampler = DepthSamplerKind::kUniform;
  config.progressive.stratify = 10;
  config.train.micro_batch_size = 2;
  const Schedule by_step = schedule_of(config);
  const DepthDistribution& depths = by_step.stages()[0].depths;
  const auto expected = [&](int64_t index) {
    return depths.depth_at(stratified_uniform(42, index, 10));
  };
  EXPECT_EQ(by_step.depths_at({.step = 33}, {}), std::vector<int64_t>(4, expected(33)));
  config.progressive.depth_draw = DepthDraw::kMicroBatch;
  EXPECT_EQ(schedule_of(config).depths_at({.step = 33}, {}),
            (std::vector<int64_t>{expected(132), expected(133), expected(134), expected(135)}));
}

TEST(Schedule, LearningRateByDepthAndAfterGrowth) {
  RunConfig config = small_config();
  const auto factor = [&](double progress, const StageState& state) {
    return schedule_of(config).lr_factor(progress, state);
  };
  const StageState second = {.index = 1, .start = {.step = 50}, .grown = {.step = 50}};
  EXPECT_EQ(factor(0.05, second), 1.0);
  config.progressive.lr_depth_power = 0.5;
  EXPECT_EQ(factor(0.05, second), 2.0);
  EXPECT_EQ(factor(0.5, {.index = 3, .start = {}}), 1.0);
  config.progressive.lr_depth_power = 0.0;
  config.progressive.rewarm = {20, DurationUnit::kSteps};
  EXPECT_DOUBLE_EQ(factor(0.05, second), 0.0);
  EXPECT_NEAR(factor(0.055, second), 0.25, 1e-12);
  EXPECT_DOUBLE_EQ(factor(0.07, second), 1.0);
  EXPECT_DOUBLE_EQ(factor(0.09, second), 1.0);
  EXPECT_EQ(factor(0.0, {}), 1.0) << "the first stage grew from nothing";
  // A stage without growth continues the rise after the last growth.
  const StageState third = {.index = 2, .start = {.step = 60}, .grown = {.step = 50}};
  EXPECT_NEAR(factor(0.065, third), 0.75, 1e-12);
  config.train.duration = {2, DurationUnit::kHours};
  EXPECT_EQ(faults_of(config),
            std::vector<std::string>{
                "progressive.rewarm: cannot be compared with a run of '2 hours' before it ran (got "
                "'20 steps')"});
}

TEST(Schedule, RemembersWhereItGrewLast) {
  const Schedule schedule = schedule_of(config_with("mslt"));
  StageState state;
  for (const int64_t step : {200, 400, 600, 800})
    EXPECT_TRUE(schedule.advance({.step = step}, state));
  EXPECT_EQ(
      state,
      (StageState{.index = 4, .start = {.step = 800}, .grown = {.step = 600}, .grown_from = 9}));
}

TEST(Schedule, ARunThatBeginsWithoutLayers) {
  RunConfig config = config_with("one_hop");
  config.progressive.new_layers = NewLayers::kRandom;
  config.progressive.stages[0].layers = 0;
  const Schedule schedule = schedule_of(config);
  EXPECT_EQ(lengths_of(schedule), (std::vector<int64_t>{800, 200}));
  EXPECT_EQ(schedule.depths_at({}, {}), std::vector<int64_t>{0});
  EXPECT_TRUE(schedule.blocks_at(0, 0, {}, {}).empty());
  EXPECT_DOUBLE_EQ(schedule.summaries()[0].flops,
                   800 * train_flops(model_shape(config, 100), 0, 8, 32));
}

TEST(Schedule, AStepIsPlannedWhole) {
  RunConfig config = small_config();
  config.train.micro_batch_size = 3;
  config.train.lr_schedule = LrSchedule::kConstant;
  config.train.warmup = {0, DurationUnit::kSteps};
  config.progressive.lr_depth_power = 0.5;
  config.progressive.depth_draw = DepthDraw::kMicroBatch;
  const Schedule schedule = schedule_of(config);
  const RunPosition position = {.step = 60};
  const StageState second = {.index = 1, .start = {.step = 50}};
  const StepPlan plan = schedule.plan_step(position, second);
  const std::vector<int64_t> depths = schedule.depths_at(position, second);
  ASSERT_EQ(plan.passes.size(), 3U);
  EXPECT_EQ(plan.flops, schedule.step_flops(depths, second));
  EXPECT_DOUBLE_EQ(plan.lr, config.train.lr * 2.0);
  int64_t row = 0;
  for (size_t m = 0; m < 3; ++m) {
    const PassPlan& pass = plan.passes[m];
    EXPECT_EQ(pass.blocks, sharing_map(LayerMapKind::kInterpolate, 3, depths[m]));
    EXPECT_EQ(pass.first, row);
    row += pass.rows;
    EXPECT_EQ(pass.branch_scale, 1.0);
    EXPECT_EQ(pass.dropout_key,
              random_bits(config.run.seed, RngStream::kDropout, 60, static_cast<uint32_t>(m)));
  }
  EXPECT_EQ(row, config.train.batch_size);
}

TEST(Schedule, ASubnetworksBranchesAreScaled) {
  const Schedule schedule = schedule_of(config_with("raptr"));
  const StepPlan plan = schedule.plan_step({.step = 300}, {.index = 1, .start = {.step = 250}});
  EXPECT_DOUBLE_EQ(plan.passes.front().branch_scale, std::sqrt(12.0 / 8.0));
  EXPECT_EQ(plan.passes.front().depth(), 8);
}

}  // namespace
}  // namespace apollo
