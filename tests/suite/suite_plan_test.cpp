#include "suite/suite_plan.h"

#include <algorithm>

#include "base/error.h"
#include "suite/made_up_suite.h"
#include "suite/suite_listing.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

using SuitePlanTest = SuiteTest;

const PlannedGroup& group_of(const SuitePlan& plan, const std::string& name) {
  return *std::find_if(plan.groups.begin(), plan.groups.end(),
                       [&](const PlannedGroup& group) { return group.name == name; });
}

bool overrides(const PlannedRun& run, const std::string& text) {
  return std::count(run.overrides.begin(), run.overrides.end(), text) == 1;
}

TEST_F(SuitePlanTest, EverySeedAtEveryBudget) {
  const SuitePlan plan = this->plan(kGrid);
  EXPECT_EQ(plan.num_runs(), 3 + 4 + 4);
  const PlannedGroup& plain = group_of(plan, "plain");
  ASSERT_EQ(plain.runs.size(), 4u);
  EXPECT_EQ(plain.runs[1].label(), "plain, 80 steps, seed 1, lr=0.001");
  EXPECT_EQ(plain.runs[1].folder, dir_ / "out/plain/80-steps/seed-1");
  EXPECT_EQ(plain.runs[1].steps, 80);
  // Tuned at the first budget with the first seed.
  ASSERT_EQ(plain.tuning.size(), 3u);
  EXPECT_EQ(plain.tuning[1].folder, dir_ / "out/tune/plain/40-steps/seed-1/lr=0.004");
  EXPECT_TRUE(group_of(plan, "grown").tuning.empty());
}

TEST_F(SuitePlanTest, TheMoreSpecialValueHolds) {
  const SuitePlan plan = this->plan(kGrid);
  const PlannedRun& grown = group_of(plan, "grown").runs[0];
  EXPECT_EQ(grown.config.train.lr, 8e-3);       // the run's, not the suite's
  EXPECT_EQ(grown.config.model.context, 32);    // the suite's, not the base's
  EXPECT_EQ(grown.config.train.batch_size, 2);  // the base's
  EXPECT_EQ(grown.config.model.vocab_size, 257);
  EXPECT_TRUE(overrides(grown, "train.lr=0.008"));
  EXPECT_TRUE(overrides(grown, "run.seed=1"));
  EXPECT_TRUE(overrides(grown, "train.duration=\"40 steps\""));
  // A tuned key is not also set.
  const PlannedRun& plain = group_of(plan, "plain").runs[0];
  EXPECT_FALSE(overrides(plain, "train.lr=0.002"));
}

TEST_F(SuitePlanTest, FlopsAreThoseOfThePlans) {
  const SuitePlan plan = this->plan(kGrid);
  double sum = 0.0;
  plan.for_each_run([&](const PlannedRun& run, std::string_view) {
    EXPECT_GT(run.flops, 0.0);
    sum += run.flops;
  });
  EXPECT_EQ(plan.flops(), sum);
  const auto& runs = group_of(plan, "plain").runs;
  EXPECT_DOUBLE_EQ(runs[1].flops, 2.0 * runs[0].flops);
  EXPECT_LT(group_of(plan, "grown").runs[0].flops, runs[0].flops);
}

TEST_F(SuitePlanTest, AnotherChoiceReplacesTheFirst) {
  const SuitePlan plan = this->plan(kGrid);
  const PlannedRun run = with_choice(group_of(plan, "plain").runs[3], {"train.lr=0.004"});
  EXPECT_EQ(run.config.train.lr, 4e-3);
  EXPECT_EQ(run.config.model.vocab_size, 257);
  EXPECT_EQ(run.label(), "plain, 80 steps, seed 2, lr=0.004");
  EXPECT_EQ(std::count_if(run.overrides.begin(), run.overrides.end(),
                          [](const std::string& text) { return text.starts_with("train.lr="); }),
            1);
}

TEST_F(SuitePlanTest, AFaultPointsAtTheLineThatSetTheValue) {
  const std::string file = (dir_ / "suite.toml").string();
  EXPECT_EQ(thrown_text<ConfigError>([&] {
              plan(
                  "[suite]\nbase = \"run.toml\"\nseeds = [1, 2]\n[[run]]\nname = \"a\"\nset = { "
                  "\"model.heads\" = 3 }\n");
            }),
            file +
                ":6:25: error: run 'a': model.heads must divide model.width (got 3 heads, width "
                "8)");
}

TEST_F(SuitePlanTest, ListsEveryRun) {
  const SuitePlan plan = this->plan(kGrid);
  const std::string text = suite_plan_text(plan);
  EXPECT_TRUE(text.starts_with("grid: 11 runs, ")) << text;
  EXPECT_NE(text.find("plain, 40 steps, seed 1, lr=0.001 (to be tuned)\n"), std::string::npos);
  const Json json = suite_plan_json(plan);
  ASSERT_EQ(json["runs"].size(), 11u);
  EXPECT_EQ(json["runs"][0]["purpose"], "tune");
  EXPECT_EQ(json["runs"][10]["purpose"], "run");
  EXPECT_EQ(json["runs"][10]["method"], "stackbert");
  EXPECT_EQ(json["flops"], plan.flops());
}

}  // namespace
}  // namespace apollo
