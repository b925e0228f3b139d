#include "suite/suite_cells.h"

#include "base/error.h"
#include "suite/made_up_suite.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

class SuiteCellsTest : public SuiteTest {
 protected:
  SuitePlan kept(const SuiteCells& cells) {
    SuitePlan plan = this->plan(kGrid);
    keep_cells(plan, cells);
    return plan;
  }
};

TEST_F(SuiteCellsTest, WhatIsEmptyLeavesAll) {
  EXPECT_FALSE(SuiteCells{}.any());
  EXPECT_EQ(kept({}).num_runs(), plan(kGrid).num_runs());
}

TEST_F(SuiteCellsTest, KeepsTheTuningOfWhatIsLeft) {
  const SuitePlan plan = kept({.runs = {"plain"}, .seeds = {2}, .budgets = {"80 steps"}});
  ASSERT_EQ(plan.groups.size(), 1u);
  EXPECT_EQ(plan.groups[0].tuning.size(), 3u);
  ASSERT_EQ(plan.groups[0].runs.size(), 1u);
  EXPECT_EQ(plan.groups[0].runs[0].label(), "plain, 80 steps, seed 2, lr=0.001");
}

TEST_F(SuiteCellsTest, ABudgetMayBeWrittenInAnyForm) {
  EXPECT_EQ(kept({.runs = {"grown"}, .budgets = {"8e1 steps"}}).num_runs(), 2);
}

TEST_F(SuiteCellsTest, RefusesWhatIsNotThere) {
  EXPECT_EQ(thrown_text<UsageError>([&] { kept({.runs = {"grwn"}}); }),
            "suite: --only 'grwn' is none of the runs (hint: did you mean 'grown'?)");
  const std::string nothing =
      "suite: no run is left by --only, --seeds and --budgets (hint: --dry-run alone lists them "
      "all)";
  EXPECT_EQ(thrown_text<UsageError>([&] { kept({.seeds = {7}}); }), nothing);
  EXPECT_EQ(thrown_text<UsageError>([&] { kept({.budgets = {"41 steps"}}); }), nothing);
}

}  // namespace
}  // namespace apollo
