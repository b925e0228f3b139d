#include "progressive/plan.h"

#include <gtest/gtest.h>

#include "config/objective.h"
#include "progressive/memory.h"
#include "progressive/methods.h"

namespace apollo {
namespace {

RunConfig config_of(const std::string& method) {
  RunConfig config;
  config.run.name = "tiny";
  config.model.width = 64;
  config.model.heads = 4;
  config.model.context = 128;
  config.train.duration = {20000, DurationUnit::kSteps};
  config.train.batch_size = 8;
  config.progressive = find_method(method).fill(Architecture::kGpt2, 12);
  config.progressive.method = method;
  return config;
}

RunPlan plan_of(const RunConfig& config, double flops_per_second = 0.0) {
  return plan_run(config, model_shape(config, 257), /*train_sequences=*/1000, flops_per_second);
}

TEST(Plan, ScratchCostsWhatScratchCosts) {
  const RunPlan plan = plan_of(config_of("scratch"));
  ASSERT_EQ(plan.stages.size(), 1u);
  EXPECT_EQ(plan.stages[0].expected_depth, 12.0);
  EXPECT_EQ(plan.stages[0].actual_depth, 12.0);
  EXPECT_DOUBLE_EQ(plan.share_of_scratch, 1.0);
  EXPECT_DOUBLE_EQ(plan.layer_share_of_scratch, 1.0);
  EXPECT_EQ(plan.tokens, 20000.0 * 8 * 128);
}

TEST(Plan, ShareOfThePaperSchedule) {
  RunConfig config = config_of("apollo");
  const RunPlan plan = plan_of(config, 1e9);
  EXPECT_NEAR(plan.layer_share_of_scratch, 0.864, 5e-3);  // of the depths that will be drawn
  EXPECT_GT(plan.share_of_scratch, plan.layer_share_of_scratch);
  EXPECT_DOUBLE_EQ(*plan.seconds, plan.flops / 1e9);
  double flops = 0.0;
  for (const StagePlan& stage : plan.stages) {
    EXPECT_NEAR(stage.actual_depth, stage.expected_depth, 0.1);
    EXPECT_NEAR(stage.layer_share_of_scratch, stage.actual_depth / 12, 1e-9);
    EXPECT_NEAR(stage.flops / static_cast<double>(stage.steps) / stage.step_flops, 1.0, 0.05);
    flops += stage.flops;
  }
  EXPECT_DOUBLE_EQ(flops, plan.flops);
}

TEST(Plan, RecomputedBlocksCostTimeAndSaveMemory) {
  RunConfig config = config_of("apollo");
  const RunPlan kept = plan_of(config);
  config.train.recompute = Recompute::kDeep;
  const RunPlan deep = plan_of(config);
  for (const StagePlan& stage : deep.stages) {
    EXPECT_NEAR(stage.flops / static_cast<double>(stage.steps) / stage.step_flops, 1.0, 0.05);
  }
  EXPECT_GT(deep.stages[0].step_flops, kept.stages[0].step_flops);
  EXPECT_EQ(deep.stages[3].step_flops, kept.stages[3].step_flops);
  EXPECT_LT(deep.stages[0].activation_bytes, kept.stages[0].activation_bytes / 2);
  EXPECT_EQ(deep.stages[3].activation_bytes, kept.stages[3].activation_bytes);
  config.train.recompute = Recompute::kAll;
  const RunPlan all = plan_of(config);
  EXPECT_LT(all.stages[3].activation_bytes, kept.stages[3].activation_bytes / 2);
  EXPECT_NEAR(all.stages[3].step_flops / kept.stages[3].step_flops, 4.0 / 3.0, 0.2);
}

TEST(Plan, TheLastBlockOfBertIsExpectedAtItsOwnCost) {
  RunConfig config = config_of("apollo");
  config.model.architecture = Architecture::kBert;
  for (const Recompute recompute : {Recompute::kNone, Recompute::kDeep, Recompute::kAll}) {
    config.train.recompute = recompute;
    const RunPlan plan = plan_of(config);
    for (const StagePlan& stage : plan.stages) {
      // With a single layer, the last block is the whole model.
      EXPECT_NEAR(stage.flops / static_cast<double>(stage.steps) / stage.step_flops, 1.0, 0.06);
    }
    EXPECT_DOUBLE_EQ(plan.stages[3].step_flops,
                     train_flops(plan.shape, 12, 8, 19, recompute == Recompute::kAll));
    EXPECT_DOUBLE_EQ(plan.stages[3].layer_share_of_scratch, 1.0);
  }
}

TEST(Plan, LateRehearsalIsInTheExpectedDepth) {
  RunConfig config = config_of("apollo");
  config.progressive.rehearse_from = 0.8;
  const RunPlan plan = plan_of(config);
  EXPECT_DOUBLE_EQ(plan.stages[1].expected_depth,
                   0.8 * 3 + 0.2 * plan_of(config_of("apollo")).stages[1].expected_depth);
  EXPECT_EQ(plan.stages[3].expected_depth, 12.0);
}

TEST(Plan, MemoryOfAStageIsThatOfItsLayers) {
  RunConfig config = config_of("apollo");
  const RunPlan plan = plan_of(config);
  EXPECT_EQ(plan.stages[0].state_bytes, 16.0 * plan.stages[0].parameters);
  EXPECT_LT(plan.stages[0].parameters, plan.stages[3].parameters / 4);
  EXPECT_EQ(plan.stages[0].activation_bytes, plan.stages[3].activation_bytes);  // it may draw 12
  config.progressive.depth_sampler = DepthSamplerKind::kShallowest;
  EXPECT_LT(plan_of(config).stages[0].activation_bytes, plan.stages[3].activation_bytes / 4);
}

TEST(Plan, ProductsOfMuonsUpdateAreCounted) {
  RunConfig config = config_of("apollo");
  const RunPlan adamw = plan_of(config);
  config.train.optimizer = OptimizerKind::kMuon;
  const RunPlan muon = plan_of(config);
  // The update of a block of width 64: four matrices of 64 x 64 and two of 64 x 256.
  const double layer = 5 * (4 * (2.0 * 3 * 64 * 64 * 64) + 2 * (2.0 * 64 * 64 * (2 * 256 + 64)));
  EXPECT_EQ(adamw.update_flops, 0.0);
  EXPECT_EQ(muon.update_flops, 12 * layer);
  for (size_t i = 0; i < muon.stages.size(); ++i) {
    const StagePlan& stage = muon.stages[i];
    const double update = layer * static_cast<double>(stage.layers);
    EXPECT_DOUBLE_EQ(stage.step_flops, adamw.stages[i].step_flops + update);
    EXPECT_NEAR(stage.flops, adamw.stages[i].flops + update * static_cast<double>(stage.steps),
                1e-9 * stage.flops);
    EXPECT_LT(stage.state_bytes, adamw.stages[i].state_bytes);
  }
  EXPECT_DOUBLE_EQ(muon.stages.back().share_of_scratch, 1.0);
  EXPECT_DOUBLE_EQ(muon.stages.back().layer_share_of_scratch, 1.0);
  EXPECT_FALSE(muon.advice.has_value()) << "nothing was measured with it";
  EXPECT_NE(plan_table(muon).find("optimizer muon: an update of the final model takes "),
            std::string::npos);
  EXPECT_EQ(plan_json(muon).at("optimizer"), "muon");
}

TEST(Plan, FrozenLayersAreNotUpdatedByMuon) {
  RunConfig config = config_of("mslt");
  const RunPlan adamw = plan_of(config);
  config.train.optimizer = OptimizerKind::kMuon;
  const RunPlan muon = plan_of(config);
  const double layer = muon.update_flops / 12;
  // 9 of 12 layers are frozen.
  EXPECT_DOUBLE_EQ(muon.stages[3].step_flops, adamw.stages[3].step_flops + 3 * layer);
}

TEST(Plan, ARunOfTokensPerParameter) {
  RunConfig config = config_of("apollo");
  config.train.duration = {2, DurationUnit::kTokensPerParameter};
  const RunPlan plan = plan_of(config);
  const auto parameters = static_cast<double>(plan.stages.back().parameters);
  EXPECT_EQ(plan.steps, static_cast<int64_t>(std::ceil(2 * parameters / (8 * 128))));
  EXPECT_NEAR(plan.tokens_per_parameter(), 2.0, 1024 / parameters);
  EXPECT_EQ(plan.parameters - plan.block_parameters, (257 + 128) * 64 + 2 * 64);
  EXPECT_EQ(plan_json(plan).at("tokens_per_parameter"), plan.tokens_per_parameter());
}

TEST(Plan, ARunOfHoursIsDecidedWhileItRuns) {
  RunConfig config = config_of("apollo");
  config.train.duration = {2, DurationUnit::kHours};
  for (StageSpec& stage : config.progressive.stages) {
    if (stage.until) stage.until->unit = DurationUnit::kPercent;
  }
  const RunPlan plan = plan_of(config);
  EXPECT_FALSE(plan.known_ahead);
  EXPECT_NEAR(plan.stages[1].expected_depth, 4.2256, 1e-4);
  EXPECT_TRUE(plan_json(plan)["flops"].is_null());
  EXPECT_NE(plan_table(plan).find("decided while it runs"), std::string::npos);
}

TEST(Plan, ActivationsAreThoseOfTheRowsThatAStageTakes) {
  RunConfig config = config_of("apollo");
  config.train.micro_batch_size = 2;
  config.train.micro_batch_by_depth = true;
  config.progressive.depth_sampler = DepthSamplerKind::kShallowest;
  const RunPlan plan = plan_of(config);
  const int64_t rows = micro_batch_at_depth(config, plan.shape, 1, 1);
  ASSERT_EQ(rows, 8);
  EXPECT_EQ(plan.stages.front().activation_bytes, activation_bytes(config, plan.shape, 1, rows));
  EXPECT_EQ(plan.stages.back().activation_bytes, activation_bytes(config, plan.shape, 12, 2));
}

TEST(Plan, Table) {
  RunConfig config = config_of("apollo");
  config.train.duration = {400, DurationUnit::kSteps};
  config.progressive.depth_sampler = DepthSamplerKind::kShallowest;
  // clang-format off
  EXPECT_EQ(plan_table(plan_of(config, 1e10)),
R"(tiny: gpt2 of 12 layers, width 64, 4 heads, context 128, vocabulary 257
method apollo: grows in stages while shared layers rehearse the depth to come (LVPS)
layer map interpolate, new layers copy; depth shallowest per step, rehearse from 0; optimizer state transport; trains all
run of 400 steps: batches of 8 sequences, 1000 sequences in an epoch

stage  layers  first step     steps  E[depth]   depth     params        state  activations        FLOPs  of scratch
    1       1           0        20     1.000   1.000      74.8k     1.14 MiB     4.76 MiB   10.1 GFLOP      10.2 %
    2       3          20        20     3.000   3.000       175k     2.67 MiB     10.3 MiB   26.2 GFLOP      26.5 %
    3       6          40        60     6.000   6.000       325k     4.95 MiB     18.5 MiB    151 GFLOP      51.0 %
    4      12         100       300    12.000  12.000       625k     9.53 MiB     35.0 MiB   1.48 TFLOP     100.0 %
while a checkpoint is written: up to 7.15 MiB more of host memory

total: 400 steps, 410k tokens, 1.67 TFLOP
       84.5 % of training from scratch for as many steps (84.2 % without the head)
       stages end at 5.0, 10.0, 25.0 % of the steps and 0.6, 2.2, 11.2 % of the FLOPs
       0.656 tokens per parameter, 0.683 without embeddings and head
time:  2m47s at 10.0 GFLOP/s
advice: from scratch these FLOPs are 0.55 tokens a parameter; there method 'apollo+' (layers 1 until 30%, 3 until 40%, 6 until 80%, 12) is expected to end where scratch ends with 3.7 times as many, 73 % saved or more (not measured: 0.62 to 13 were, this is the nearest)
)");
  // clang-format on
}

TEST(Plan, Json) {
  const RunPlan plan = plan_of(config_of("apollo"), 1e9);
  const Json json = plan_json(plan);
  EXPECT_EQ(json["stages"].size(), 4u);
  EXPECT_EQ(json["stages"][2]["layers"], 6);
  EXPECT_EQ(json["stages"][2]["first_step"], 2000);
  EXPECT_EQ(json["flops"], plan.flops);
  EXPECT_EQ(json["seconds"], plan.flops / 1e9);
  EXPECT_EQ(json["steps"], 20000);
  EXPECT_EQ(json["stages"][2]["end_share_of_steps"], 0.25);
  EXPECT_LT(json["stages"][2]["end_share_of_flops"], 0.25);
  EXPECT_EQ(json["stages"][3]["end_share_of_steps"], 1.0);
  EXPECT_NEAR(json["stages"][3]["end_share_of_flops"], 1.0, 1e-12);
}

TEST(Plan, FrozenLayersCostAThirdAndKeepNothing) {
  const RunPlan plan = plan_of(config_of("mslt"));
  ASSERT_EQ(plan.stages.size(), 5u);
  // 9 of 12 layers cost a third, and 3 cost the full price.
  EXPECT_NEAR(plan.stages[3].layer_share_of_scratch, 0.5, 1e-9);
  EXPECT_NEAR(plan.stages[4].layer_share_of_scratch, 1.0, 1e-9);
  EXPECT_NEAR(
      plan.stages[3].flops / static_cast<double>(plan.stages[3].steps) / plan.stages[3].step_flops,
      1.0, 1e-9);
  EXPECT_EQ(plan.stages[3].activation_bytes, plan.stages[0].activation_bytes);
}

TEST(Plan, SubnetworksHaveTheirOwnDepth) {
  const RunPlan plan = plan_of(config_of("raptr"));
  ASSERT_EQ(plan.stages.size(), 4u);
  EXPECT_EQ(plan.stages[0].layers, 12);
  EXPECT_EQ(plan.stages[0].expected_depth, 6.0);
  EXPECT_EQ(plan.stages[0].actual_depth, 6.0);
  EXPECT_EQ(plan.stages[0].parameters, plan.stages[3].parameters);
  EXPECT_LT(plan.stages[0].activation_bytes, plan.stages[3].activation_bytes);
  EXPECT_NEAR(plan.layer_share_of_scratch, 0.75, 1e-9);
}

}  // namespace
}  // namespace apollo
