#include "progressive/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "progressive/methods.h"

namespace apollo {
namespace {

constexpr int64_t kSequences = 1000;

RunConfig small_config() {
  RunConfig config;
  config.model.layers = 12;
  config.model.width = 16;
  config.model.heads = 2;
  config.model.context = 32;
  config.train.duration = {1000, DurationUnit::kSteps};
  config.train.batch_size = 8;
  config.train.micro_batch_size = 8;
  config.progressive = find_method("apollo").fill(12);
  return config;
}

Schedule schedule_of(const RunConfig& config) {
  return Schedule(config, model_shape(config, 100), kSequences);
}

std::vector<int64_t> lengths_of(const Schedule& schedule) {
  std::vector<int64_t> lengths;
  for (const Schedule::StageSummary& summary : schedule.summaries()) {
    lengths.push_back(summary.num_steps);
  }
  return lengths;
}

// What the trainer does, without training.
RunPosition run(const Schedule& schedule, RunPosition position = {}, StageState state = {}) {
  while (!schedule.finished(position)) {
    schedule.advance(position, state);
    position.flops += schedule.step_flops(schedule.depths_at(position, state), state);
    ++position.step;
  }
  return position;
}

std::vector<std::string> faults_of(const RunConfig& config) {
  std::vector<std::string> texts;
  try {
    schedule_of(config);
  } catch (const ConfigError& error) {
    for (const Diagnostic& fault : error.diagnostics()) {
      texts.push_back(fault.where + ": " + fault.message);
    }
  }
  return texts;
}

TEST(Schedule, StagesEndAtTheirShareOfTheRun) {
  const Schedule schedule = schedule_of(small_config());
  EXPECT_EQ(lengths_of(schedule), (std::vector<int64_t>{50, 50, 150, 750}));
  EXPECT_EQ(schedule.total_steps(), 1000);
  EXPECT_EQ(schedule.summaries()[2].first_step, 100);
  EXPECT_EQ(schedule.summaries()[3].mean_depth, 12.0);
}

TEST(Schedule, EveryUnitOfARun) {
  RunConfig config = small_config();
  config.train.duration = {3, DurationUnit::kEpochs};  // 3000 sequences in batches of 8
  EXPECT_EQ(schedule_of(config).total_steps(), 375);
  config.train.duration = {1.001, DurationUnit::kEpochs};
  EXPECT_EQ(schedule_of(config).total_steps(), 126);
  config.train.duration = {256 * 40 + 1, DurationUnit::kTokens};
  EXPECT_EQ(schedule_of(config).total_steps(), 41);
  config.train.duration = {1e10, DurationUnit::kFlops};
  const Schedule by_flops = schedule_of(config);
  EXPECT_GE(by_flops.total_flops(), 1e10);
  EXPECT_LT(by_flops.total_flops(), 1e10 + train_flops(model_shape(config, 100), 12, 8, 32));
  config.train.duration = {2, DurationUnit::kHours};
  const Schedule by_hours = schedule_of(config);
  EXPECT_EQ(by_hours.total_steps(), 0);
  EXPECT_TRUE(by_hours.summaries().empty());
  EXPECT_TRUE(by_hours.finished({.step = 5, .flops = 0, .hours = 2.0}));
  EXPECT_EQ(by_hours.stages()[0].end, (Milestone{Milestone::Axis::kHours, 0.1}));
}

TEST(Schedule, TrainerAndSimulationAgreeToTheBit) {
  for (const DepthDraw draw : {DepthDraw::kStep, DepthDraw::kMicroBatch}) {
    for (const DurationUnit unit : {DurationUnit::kSteps, DurationUnit::kFlops}) {
      RunConfig config = small_config();
      config.progressive.depth_draw = draw;
      config.progressive.rehearse_from = 0.5;
      config.train.micro_batch_size = 3;
      config.train.duration = {unit == DurationUnit::kSteps ? 1000.0 : 1.2345e10, unit};
      const Schedule schedule = schedule_of(config);
      const RunPosition end = run(schedule);
      EXPECT_EQ(end.step, schedule.total_steps());
      EXPECT_EQ(end.flops, schedule.total_flops());
    }
  }
}

TEST(Schedule, ResumeInAStageGoesOnAlike) {
  RunConfig config = small_config();
  config.progressive.rehearse_from = 0.8;
  config.train.duration = {1e10, DurationUnit::kFlops};
  const Schedule schedule = schedule_of(config);
  RunPosition position;
  StageState state;
  for (int64_t i = 0; i < schedule.total_steps() / 2; ++i) {
    schedule.advance(position, state);
    position.flops += schedule.step_flops(schedule.depths_at(position, state), state);
    ++position.step;
  }
  EXPECT_GT(state.index, 0);
  EXPECT_EQ(run(schedule_of(config), position, state), run(schedule));
}

TEST(Schedule, MicroBatchesCoverTheBatch) {
  RunConfig config = small_config();
  config.train.batch_size = 10;
  config.train.micro_batch_size = 4;
  const Schedule schedule = schedule_of(config);
  EXPECT_EQ(schedule.micro_steps(), 3);
  EXPECT_EQ(schedule.micro_batch_rows(0), 4);
  EXPECT_EQ(schedule.micro_batch_rows(2), 2);
  EXPECT_EQ(schedule.step_flops({12, 12, 12}, {}),
            train_flops(model_shape(config, 100), 12, 10, 32));
  EXPECT_EQ(schedule.step_flops({1, 2, 3}, {}),
            train_flops(model_shape(config, 100), 1, 4, 32) +
                train_flops(model_shape(config, 100), 2, 4, 32) +
                train_flops(model_shape(config, 100), 3, 2, 32));
  config.train.micro_batch_size = 0;
  EXPECT_EQ(schedule_of(config).micro_steps(), 1);
}

TEST(Schedule, CountsWhatIsComputedAgain) {
  RunConfig config = small_config();
  const ModelShape shape = model_shape(config, 100);
  const auto flops = [&](Recompute recompute, int64_t depth, int64_t stage) {
    config.train.recompute = recompute;
    return schedule_of(config).step_flops({depth}, {.index = stage, .start = {}});
  };
  const auto expected = [&](int64_t depth, bool recompute) {
    return train_flops(shape, depth, config.train.batch_size, 32, recompute);
  };
  EXPECT_EQ(flops(Recompute::kAll, 1, 0), expected(1, true));
  EXPECT_EQ(flops(Recompute::kAll, 12, 3), expected(12, true));
  EXPECT_EQ(flops(Recompute::kDeep, 1, 0), expected(1, false));
  EXPECT_EQ(flops(Recompute::kDeep, 2, 0), expected(2, true));
  EXPECT_EQ(flops(Recompute::kDeep, 12, 3), expected(12, false));
}

TEST(Schedule, DepthIsDrawnPerStepOrPerMicroBatch) {
  RunConfig config = small_config();
  config.train.micro_batch_size = 1;
  config.progressive.depth_sampler = DepthSamplerKind::kUniform;
  const auto varying_steps = [](const Schedule& schedule) {
    int64_t varying = 0;
    for (int64_t step = 0; step < 50; ++step) {
      const std::vector<int64_t> depths = schedule.depths_at({.step = step}, {});
      EXPECT_EQ(depths.size(), 8u);
      varying += std::count(depths.begin(), depths.end(), depths[0]) != 8;
    }
    return varying;
  };
  EXPECT_EQ(varying_steps(schedule_of(config)), 0);
  config.progressive.depth_draw = DepthDraw::kMicroBatch;
  EXPECT_EQ(varying_steps(schedule_of(config)), 50);
  const Schedule schedule = schedule_of(config);
  EXPECT_EQ(schedule.depths_at({.step = 7}, {})[3],
            draw_depth(schedule.stages()[0].depths, config.run.seed, 7, 3));
}

TEST(Schedule, RehearsalStartsLateInTheStage) {
  RunConfig config = small_config();
  config.progressive.depth_sampler = DepthSamplerKind::kDeepest;
  config.progressive.rehearse_from = 0.8;
  const Schedule schedule = schedule_of(config);
  const StageState second = {.index = 1, .start = {.step = 50}};
  EXPECT_EQ(schedule.depths_at({.step = 50}, second)[0], 3);
  EXPECT_EQ(schedule.depths_at({.step = 89}, second)[0], 3);
  EXPECT_EQ(schedule.depths_at({.step = 90}, second)[0], 12);
  EXPECT_EQ(schedule.depths_at({.step = 250}, {.index = 3, .start = {.step = 250}})[0], 12);
  EXPECT_EQ(schedule.summaries()[1].num_rehearsal_steps, 10);
  EXPECT_DOUBLE_EQ(schedule.summaries()[1].mean_depth, 0.8 * 3 + 0.2 * 12);
  EXPECT_EQ(schedule.summaries()[3].num_rehearsal_steps, 0);
}

TEST(Schedule, MeanDepthApproachesTheLaw) {
  RunConfig config = small_config();
  config.train.duration = {400000, DurationUnit::kSteps};
  const Schedule schedule = schedule_of(config);
  EXPECT_NEAR(schedule.summaries()[0].mean_depth, 1.7668, 0.05);
  EXPECT_NEAR(schedule.summaries()[2].mean_depth, 7.1354, 0.05);
}

TEST(Schedule, AStageWithoutStepsIsPassedThrough) {
  RunConfig config = small_config();
  config.train.duration = {8, DurationUnit::kSteps};  // 5 % and 10 % are both the first step
  const Schedule schedule = schedule_of(config);
  EXPECT_EQ(lengths_of(schedule), (std::vector<int64_t>{1, 0, 1, 6}));
  StageState state;
  EXPECT_FALSE(schedule.advance({}, state));
  EXPECT_TRUE(schedule.advance({.step = 1}, state));
  EXPECT_EQ(state, (StageState{.index = 2, .start = {.step = 1}, .grown = {.step = 1}}));
}

TEST(Schedule, ProgressOnBothAxes) {
  RunConfig config = small_config();
  const Schedule by_steps = schedule_of(config);
  EXPECT_EQ(by_steps.progress({.step = 250}, LrAxis::kSteps), 0.25);
  EXPECT_EQ(by_steps.progress({.step = 3, .flops = by_steps.total_flops() / 4}, LrAxis::kFlops),
            0.25);
  config.train.duration = {1e10, DurationUnit::kFlops};
  const Schedule by_flops = schedule_of(config);
  EXPECT_EQ(by_flops.progress({.step = 3, .flops = 4e9}, LrAxis::kFlops), 0.4);
  EXPECT_EQ(by_flops.progress({.step = by_flops.total_steps()}, LrAxis::kSteps), 1.0);
  config.train.duration = {2, DurationUnit::kHours};
  const Schedule by_hours = schedule_of(config);
  for (const LrAxis axis : {LrAxis::kSteps, LrAxis::kFlops}) {
    EXPECT_EQ(by_hours.progress({.step = 9, .flops = 1e9, .hours = 0.5}, axis), 0.25);
  }
}

TEST(Schedule, ShareOfAWarmUp) {
  const RunConfig config = small_config();
  const Schedule schedule = schedule_of(config);
  for (const LrAxis axis : {LrAxis::kSteps, LrAxis::kFlops}) {
    EXPECT_EQ(schedule.share({2.5, DurationUnit::kPercent}, axis), 0.025);
    EXPECT_EQ(schedule.share({5000, DurationUnit::kSteps}, axis), 1.0);
  }
  EXPECT_EQ(schedule.share({100, DurationUnit::kSteps}, LrAxis::kSteps), 0.1);
  EXPECT_EQ(schedule.share({25600, DurationUnit::kTokens}, LrAxis::kSteps), 0.1);
  const double first_stages = schedule.summaries()[0].flops + schedule.summaries()[1].flops;
  EXPECT_EQ(schedule.share({100, DurationUnit::kSteps}, LrAxis::kFlops),
            first_stages / schedule.total_flops());
  EXPECT_EQ(schedule.share({first_stages, DurationUnit::kFlops}, LrAxis::kSteps), 0.1);
}

TEST(Schedule, EndsInMixedUnits) {
  RunConfig config = small_config();
  config.progressive.stages = {{1, Duration{1, DurationUnit::kEpochs}},
                               {6, Duration{1e9, DurationUnit::kFlops}},
                               {12, std::nullopt}};
  const Schedule schedule = schedule_of(config);
  EXPECT_EQ(schedule.summaries()[0].num_steps, 125);
  EXPECT_GE(schedule.summaries()[0].flops + schedule.summaries()[1].flops, 1e9);
  config.progressive.stages[1].until = Duration{1e15, DurationUnit::kFlops};
  const std::vector<std::string> faults = faults_of(config);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_TRUE(
      faults[0].starts_with("progressive.stages[1].until: ends after the run, which lasts "
                            "'1000 steps': 1000 steps, "))
      << faults[0];
}

TEST(Schedule, AllStageFaultsAtOnce) {
  RunConfig config = small_config();
  config.progressive.stages = {{6, Duration{10, DurationUnit::kPercent}},
                               {3, Duration{5, DurationUnit::kPercent}},
                               {24, Duration{100, DurationUnit::kPercent}},
                               {0, std::nullopt},
                               {6, Duration{2000, DurationUnit::kSteps}}};
  EXPECT_EQ(
      faults_of(config),
      (std::vector<std::string>{
          "progressive.stages[1].layers: stages cannot shrink: the stage before has 6 layers (got "
          "3)",
          "progressive.stages[1].until: stages must end one after the other: the stage before ends "
          "at '10%' (got '5%')",
          "progressive.stages[2].layers: a stage cannot have more layers than the model, 12 (got "
          "24)",
          "progressive.stages[2].until: ends with or after the run, which lasts '1000 steps' (got "
          "'100%')",
          "progressive.stages[3].layers: a stage needs at least one layer (got 0)",
          "progressive.stages[3].until: every stage but the last needs an end",
          "progressive.stages[4].layers: the last stage must have all layers of the model, 12 (got "
          "6)",
          "progressive.stages[4].until: the last stage ends with the run (got '2000 steps')"}));
}

TEST(Schedule, EndsInOtherUnitsThanTheRun) {
  RunConfig config = small_config();
  config.progressive.stages = {{1, Duration{500, DurationUnit::kSteps}},
                               {6, Duration{1, DurationUnit::kEpochs}},
                               {12, std::nullopt}};
  EXPECT_EQ(faults_of(config), std::vector<std::string>{
                                   "progressive.stages[1].until: stages must end one after the "
                                   "other: the stage before ends at '500 steps' (got '1 epochs')"});
  config.progressive.stages = {{1, Duration{8, DurationUnit::kEpochs}}, {12, std::nullopt}};
  EXPECT_EQ(faults_of(config), std::vector<std::string>{
                                   "progressive.stages[0].until: ends with or after the run, which "
                                   "lasts '1000 steps' (got '8 epochs')"});
}

TEST(Schedule, DurationsThatMakeNoRun) {
  RunConfig config = small_config();
  config.train.duration = {50, DurationUnit::kPercent};
  EXPECT_EQ(
      faults_of(config),
      std::vector<std::string>{"train.duration: a run cannot last a share of itself (got '50%')"});
  config.train.duration = {0, DurationUnit::kSteps};
  config.progressive.stages = {{12, std::nullopt}};
  EXPECT_EQ(faults_of(config),
            std::vector<std::string>{
                "train.duration: a run must last longer than nothing (got '0 steps')"});
  config.train.duration = {1e22, DurationUnit::kFlops};
  EXPECT_EQ(faults_of(config),
            std::vector<std::string>{"train.duration: a run of more than 1e+09 "
                                     "steps cannot be planned (got '1e22 flops')"});
  config.progressive.stages.clear();
  config.train.duration = {10, DurationUnit::kSteps};
  EXPECT_EQ(faults_of(config),
            std::vector<std::string>{"progressive.stages: a run needs at least one stage"});
}

TEST(Schedule, WarmUpThatOnlyTheRunCanTell) {
  RunConfig config = small_config();
  config.train.duration = {2, DurationUnit::kHours};
  config.train.warmup = {10, DurationUnit::kSteps};
  EXPECT_EQ(
      faults_of(config),
      std::vector<std::string>{"train.warmup: cannot be compared with a run of '2 hours' before "
                               "it ran (got '10 steps')"});
  config.train.warmup = {0.1, DurationUnit::kHours};
  EXPECT_EQ(schedule_of(config).share(config.train.warmup, LrAxis::kFlops), 0.05);
  config.train.duration = {100, DurationUnit::kSteps};
  EXPECT_EQ(faults_of(config),
            std::vector<std::string>{"train.warmup: cannot be compared with a run of '100 steps' "
                                     "before it ran (got '0.1 hours')"});
}

TEST(Schedule, AMillionStepsArePlannedQuickly) {
  RunConfig config = small_config();
  config.train.duration = {1e6, DurationUnit::kSteps};
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(schedule_of(config).total_steps(), 1000000);
  // Generous, so that a busy machine does not fail the test; it takes a tenth of this.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

RunConfig config_with(const std::string& method) {
  RunConfig config = small_config();
  config.progressive = find_method(method).fill(12);
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
  std::vector<int64_t> frozen;
  for (const Stage& stage : schedule_of(config).stages())
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
  // A stage without growth goes on with the rise of the last one.
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
  EXPECT_EQ(state, (StageState{.index = 4, .start = {.step = 800}, .grown = {.step = 600}}));
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

TEST(Schedule, GrowthByReadinessIsDecidedWhileItRuns) {
  RunConfig config = small_config();
  config.progressive.grow_when = GrowWhen::kReady;
  const Schedule schedule = schedule_of(config);
  EXPECT_TRUE(schedule.summaries().empty());
  EXPECT_EQ(schedule.total_steps(), 1000);
  EXPECT_EQ(schedule.total_flops(), 0.0);
  EXPECT_EQ(schedule.progress({.step = 250, .flops = 1e9}, LrAxis::kFlops), 0.25);
  EXPECT_EQ(schedule.layers_to_probe({}), 3);
  EXPECT_EQ(schedule.layers_to_probe({.index = 3, .start = {}}), 0);
  EXPECT_EQ(schedule_of(small_config()).layers_to_probe({}), 0);
  StageState state;
  schedule.advance_early({.step = 20}, state);
  EXPECT_EQ(state, (StageState{.index = 1, .start = {.step = 20}, .grown = {.step = 20}}));
  EXPECT_FALSE(schedule.advance({.step = 99}, state));
  EXPECT_TRUE(schedule.advance({.step = 100}, state)) << "its end is the latest one";
}

TEST(Schedule, ReadinessNeedsAGrowthWhoseLossIsKnown) {
  RunConfig config = small_config();
  config.progressive.grow_when = GrowWhen::kReady;
  config.progressive.new_layers = NewLayers::kIdentity;
  config.progressive.stages = {{4, Duration{10, DurationUnit::kPercent}},
                               {6, Duration{20, DurationUnit::kPercent}},
                               {12, std::nullopt}};
  EXPECT_EQ(faults_of(config),
            (std::vector<std::string>{
                "progressive.grow_when: 'ready' needs a growth that keeps the function: layer_map "
                "'interpolate' or 'stack', new_layers 'copy' and no growth_noise",
                "progressive.stages[1].layers: grow_when 'ready' needs stages that divide the next "
                "(got 6 after 4)"}));
}

}  // namespace
}  // namespace apollo
