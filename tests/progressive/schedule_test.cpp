#include "progressive/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "config/objective.h"
#include "progressive/memory.h"
#include "progressive/small_run.h"

namespace apollo {
namespace {

// Does what the trainer does, without training.
RunPosition run(const Schedule& schedule, RunPosition position = {}, StageState state = {}) {
  while (!schedule.finished(position)) {
    schedule.advance(position, state);
    position.flops += schedule.step_flops(schedule.depths_at(position, state), state);
    ++position.step;
  }
  return position;
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
  EXPECT_EQ(schedule.micro_batch_rows(12, 0, {}), 4);
  EXPECT_EQ(schedule.micro_batch_rows(12, 2, {}), 2);
  EXPECT_EQ(schedule.step_flops({12, 12, 12}, {}),
            train_flops(model_shape(config, 100), 12, 10, 32));
  EXPECT_EQ(schedule.step_flops({1, 2, 3}, {}),
            train_flops(model_shape(config, 100), 1, 4, 32) +
                train_flops(model_shape(config, 100), 2, 4, 32) +
                train_flops(model_shape(config, 100), 3, 2, 32));
  config.train.micro_batch_size = 0;
  EXPECT_EQ(schedule_of(config).micro_steps(), 1);
}

TEST(Schedule, ShallowPassesTakeMoreSequencesInTheSameMemory) {
  RunConfig config = small_config();
  config.train.batch_size = 12;
  config.train.micro_batch_size = 2;
  const Schedule plain = schedule_of(config);
  config.train.micro_batch_by_depth = true;
  const Schedule schedule = schedule_of(config);
  const ModelShape shape = model_shape(config, 100);
  const double limit = state_bytes(OptimizerKind::kAdamW, shape, 12) +
                       summation_bytes(shape, 12, 6) + activation_bytes(config, shape, 12, 2);
  for (int64_t depth = 1; depth <= 12; ++depth) {
    const int64_t rows = schedule.micro_batch_size(depth, {});
    EXPECT_LE(state_bytes(OptimizerKind::kAdamW, shape, 1) + summation_bytes(shape, 1, 12 / rows) +
                  activation_bytes(config, shape, depth, rows),
              limit);
    EXPECT_EQ(12 % rows, 0);
    EXPECT_EQ(plain.micro_batch_size(depth, {}), 2);
  }
  EXPECT_EQ(schedule.micro_batch_size(1, {}), 12);
  EXPECT_EQ(schedule.micro_batch_size(12, {.index = 3}), 2);
  // The steps are the same, but shallow ones have fewer passes.
  EXPECT_EQ(schedule.depths_at({}, {}).size(), 1U);
  EXPECT_EQ(schedule.total_flops(), plain.total_flops());
  for (size_t i = 0; i < 4; ++i)
    EXPECT_EQ(schedule.summaries()[i].mean_depth, plain.summaries()[i].mean_depth);
}

TEST(Schedule, MicroBatchesByDepthNeedOneDepthAStep) {
  RunConfig config = small_config();
  config.train.micro_batch_by_depth = true;
  config.progressive.depth_draw = DepthDraw::kMicroBatch;
  EXPECT_EQ(faults_of(config),
            std::vector<std::string>{"train.micro_batch_by_depth: needs the depth of a step before "
                                     "its passes, for which depth_draw must be 'step' (got "
                                     "'micro_batch')"});
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
  EXPECT_EQ(state,
            (StageState{.index = 2, .start = {.step = 1}, .grown = {.step = 1}, .grown_from = 1}));
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

TEST(Schedule, StagesEndAtSharesOfTheSteps) {
  RunConfig config = small_config();
  config.progressive.stages = {{1, Duration{50, DurationUnit::kPercentSteps}},
                               {6, Duration{80, DurationUnit::kPercentSteps}},
                               {12, std::nullopt}};
  EXPECT_EQ(lengths_of(schedule_of(config)), (std::vector<int64_t>{500, 300, 200}));
  // In a run measured in FLOPs, the number of steps depends on where the stages end.
  for (const DepthSamplerKind sampler : {DepthSamplerKind::kShallowest, DepthSamplerKind::kLvps}) {
    config.progressive.depth_sampler = sampler;
    for (const double flops : {1e8, 3e9, 1e11}) {
      config.train.duration = {flops, DurationUnit::kFlops};
      const Schedule schedule = schedule_of(config);
      const auto steps = static_cast<double>(schedule.total_steps());
      const std::vector<int64_t> lengths = lengths_of(schedule);
      EXPECT_NEAR(static_cast<double>(lengths[0]), 0.5 * steps, 1.5) << flops;
      EXPECT_NEAR(static_cast<double>(lengths[0] + lengths[1]), 0.8 * steps, 1.5) << flops;
      EXPECT_GE(schedule.total_flops(), flops);
      EXPECT_EQ(schedule.milestone({80, DurationUnit::kPercentSteps}), schedule.stages()[1].end);
    }
  }
  config.progressive.depth_sampler = DepthSamplerKind::kShallowest;
  config.train.duration = {2, DurationUnit::kHours};
  config.eval.every = {10, DurationUnit::kPercentSteps};
  const std::string why = ": how many steps a run of '2 hours' has is not known before it ran ";
  EXPECT_EQ(faults_of(config),
            (std::vector<std::string>{"progressive.stages[0].until" + why + "(got '50% steps')",
                                      "progressive.stages[1].until" + why + "(got '80% steps')",
                                      "eval.every" + why + "(got '10% steps')"}));
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
  // The limit is generous, so that a busy machine does not fail the test; it takes a tenth of this.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace apollo
