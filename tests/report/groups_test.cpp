// Known savings, over seeds and budgets, must come out exactly.
#include "report/groups.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "report/comparison.h"
#include "report/comparison_content.h"
#include "report/comparison_tables.h"
#include "report/formats.h"
#include "report/groups_csv.h"
#include "report/made_up_run.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

class GroupsTest : public testing::Test {
 protected:
  // Writes a run whose loss falls in a straight line from 4 to `loss` over `flops`; 10 FLOPs take a
  // second.
  void write(const std::string& name, uint64_t seed, const std::string& budget, double flops,
             double loss, const std::string& method = "apollo") {
    const std::string place = name + "-" + budget + "-" + std::to_string(seed);
    const auto folder = dir_ / place;
    Json start = start_row(name, method);
    start["seed"] = seed;
    write_run(folder, {start, eval_row(1, 0, 0, 12, 4.0), step_row(50, flops, flops / 10, loss),
                       eval_row(50, flops, flops / 10, 12, loss), end_row(50, "finished")});
    write_file_atomic(folder / "run.toml", "[train]\nduration = \"" + budget + "\"\n");
    folders_.push_back(folder);
  }
  Comparison compare(const CompareOptions& options = {}) {
    return compare_folders(folders_, options);
  }

  TempDir dir_;
  std::vector<std::filesystem::path> folders_;
};

TEST(BudgetSaving, IsReadBetweenTheBaselinesBudgets) {
  const std::vector<BudgetPoint> baseline = {{1000, 3.0}, {4000, 2.0}, {16000, 1.8}};
  // Halfway in loss is the geometric mean in FLOPs.
  EXPECT_DOUBLE_EQ(budget_saving({1000, 2.5}, baseline)->flops_saved, 0.5);
  EXPECT_DOUBLE_EQ(budget_saving({4000, 1.9}, baseline)->flops_saved, 0.5);
  EXPECT_DOUBLE_EQ(budget_saving({1000, 2.0}, baseline)->flops_saved, 0.75);
  EXPECT_EQ(budget_saving({1000, 3.0}, baseline)->flops_saved, 0.0);
  EXPECT_EQ(budget_saving({1000, 2.5}, baseline)->bound, Bound::kExact);
  // It is worse than scratch and needed more.
  EXPECT_DOUBLE_EQ(budget_saving({4000, 2.5}, baseline)->flops_saved, -1.0);
}

TEST(BudgetSaving, IsNotExtrapolated) {
  const std::vector<BudgetPoint> baseline = {{1000, 3.0}, {4000, 2.0}};
  const auto better = budget_saving({2000, 1.5}, baseline);
  EXPECT_EQ(better->bound, Bound::kAtLeast);
  EXPECT_EQ(better->flops_saved, 0.5);
  const auto worse = budget_saving({2000, 3.5}, baseline);
  EXPECT_EQ(worse->bound, Bound::kAtMost);
  EXPECT_EQ(worse->flops_saved, -1.0);
  EXPECT_FALSE(budget_saving({1000, 2.5}, {{1000, 3.0}}).has_value());
}

TEST_F(GroupsTest, EqualLossIsPairedBySeed) {
  // The run of seed 1 reaches the baseline's 2 after half of its FLOPs; the run of seed 2 reaches
  // its 3 after a quarter. Without pairing, the run of seed 2 would be compared with a loss of 2.
  write("plain", 1, "1000 flops", 1000, 2.0, "scratch");
  write("plain", 2, "1000 flops", 1000, 3.0, "scratch");
  write("grown", 2, "1000 flops", 500, 2.0);
  write("grown", 1, "1000 flops", 500, 2.0);
  const Comparison comparison = compare();
  EXPECT_TRUE(comparison.is_grouped);
  ASSERT_EQ(comparison.groups.size(), 2u);
  const RunGroup& plain = comparison.groups[0];
  EXPECT_TRUE(plain.is_baseline);
  EXPECT_EQ(plain.final_loss->mean, 2.5);
  EXPECT_DOUBLE_EQ(plain.final_loss->deviation, std::sqrt(0.5));
  EXPECT_EQ(plain.flops_saved->mean, 0.0);
  const RunGroup& grown = comparison.groups[1];
  EXPECT_EQ(grown.num_pairs, 2);
  EXPECT_EQ(grown.num_reached, 2);
  EXPECT_EQ(grown.flops_saved->mean, 0.625);
  EXPECT_EQ(grown.flops_saved->least, 0.5);
  EXPECT_EQ(grown.flops_saved->greatest, 0.75);
  EXPECT_EQ(grown.wall_saved->mean, 0.625);
  EXPECT_EQ(grown.flops_saved_for_good->mean, 0.625);
  EXPECT_EQ(grown.loss_difference->mean, -0.5);
  EXPECT_TRUE(comparison.notes.empty()) << comparison.notes.front();
  EXPECT_EQ(comparison.runs[2].name, "grown, seed 2");
}

// A loss that three layers reached is not a saving of a model with twelve.
TEST_F(GroupsTest, SaysHowManyLayersThereWereAtTheLoss) {
  write("plain", 1, "1000 flops", 1000, 2.0, "scratch");
  const auto folder = dir_ / "grown";
  write_run(folder, {start_row("grown", "apollo"),
                     eval_row(1, 0, 0, 12, 4.0),
                     eval_row(10, 200, 20, 12, 2.0),
                     {{"event", "grow"},
                      {"step", 20},
                      {"from", 3},
                      {"to", 12},
                      {"tokens", 200},
                      {"flops", 400},
                      {"wall_s", 40}},
                     eval_row(30, 600, 60, 12, 1.9),
                     step_row(50, 800, 80, 1.5),
                     eval_row(50, 800, 80, 12, 1.5),
                     end_row(50, "finished")});
  write_file_atomic(folder / "run.toml", "[run]\nseed = 1\n[train]\nduration = \"1000 flops\"\n");
  folders_.push_back(folder);
  const Comparison comparison = compare();
  const ComparedRun& grown = comparison.runs[1];
  EXPECT_EQ(grown.equal_loss.flops_saved_for_good, 0.8);
  EXPECT_EQ(grown.layers_at_loss, 3);
  EXPECT_EQ(grown.flops_saved_all_layers, 0.4);
  EXPECT_EQ(to_json(comparison)["runs"][1]["equal_loss"]["layers"], 3);
}

TEST_F(GroupsTest, SavingsOverLossLevels) {
  for (const uint64_t seed : {1, 2}) {
    write("plain", seed, "1000 flops", 1000, 2.0, "scratch");
    write("grown", seed, "1000 flops", seed == 1 ? 400 : 600, 2.0);
  }
  const RunGroup grown = compare().groups[1];
  ASSERT_GT(grown.saved_at_loss.size(), 10u);
  EXPECT_EQ(grown.saved_at_loss.back().loss, 2.0);
  // The lines are straight, so the same share is saved at every level except the first, where both
  // are 0.
  for (const SavingAtLoss& level : grown.saved_at_loss) {
    EXPECT_NEAR(level.flops_saved.mean, 0.5, 1e-12) << level.loss;
    EXPECT_NEAR(level.flops_saved.greatest, 0.6, 1e-12) << level.loss;
  }
}

TEST_F(GroupsTest, EqualBudgetIsReadBetweenTheCurves) {
  for (const uint64_t seed : {1, 2}) {
    const double luck = seed == 1 ? 0.0 : 0.125;
    write("plain", seed, "1000 flops", 1000, 3.0 + luck, "scratch");
    write("plain", seed, "4000 flops", 4000, 2.0 + luck, "scratch");
    write("grown", seed, "1000 flops", 1000, 2.5 + luck);
    write("grown", seed, "4000 flops", 4000, 1.5);
  }
  const Comparison comparison = compare();
  ASSERT_EQ(comparison.groups.size(), 4u);
  const RunGroup& small = comparison.groups[2];
  EXPECT_EQ(small.name, "grown");
  EXPECT_EQ(small.budget, "1000 flops");
  EXPECT_DOUBLE_EQ(small.budget_saved->mean, 0.5);
  EXPECT_NEAR(small.budget_saved->deviation, 0.0, 1e-12);
  EXPECT_EQ(small.budget_bound, Bound::kExact);
  EXPECT_EQ(small.loss_difference->mean, -0.5);
  const RunGroup& large = comparison.groups[3];
  EXPECT_EQ(large.budget_bound, Bound::kAtLeast);
  EXPECT_EQ(large.budget_saved->mean, 0.0);
  const Json json = to_json(comparison);
  EXPECT_EQ(json["groups"][3]["equal_budget"]["bound"], "at least");
  EXPECT_EQ(json["groups"][2]["equal_budget"]["flops_saved"]["n"], 2);
  EXPECT_EQ(json["groups"][2]["folders"].size(), 2u);
}

TEST_F(GroupsTest, TheHeadlineIsOfTheLargestBudget) {
  for (const uint64_t seed : {1, 2}) {
    write("plain", seed, "1000 flops", 1000, 3.0, "scratch");
    write("plain", seed, "4000 flops", 4000, 2.0, "scratch");
    write("grown", seed, "1000 flops", 1000, 2.0);
    write("grown", seed, "4000 flops", 4000, 1.9);
    write("plain", seed, "8000 flops", 8000, 1.8, "scratch");
  }
  PageContent content;
  fill_comparison_content(compare(), content);
  EXPECT_TRUE(content.lede.starts_with("At a budget of 4000 flops, grown ")) << content.lede;
}

TEST_F(GroupsTest, NotesWhatHasNoPair) {
  write("plain", 1, "1000 flops", 1000, 2.0, "scratch");
  write("grown", 1, "1000 flops", 500, 2.0);
  write("grown", 7, "1000 flops", 500, 2.0);
  const Comparison comparison = compare();
  EXPECT_EQ(comparison.notes,
            std::vector<std::string>{
                "'grown, seed 7' (1000 flops) has no run of 'plain' to be paired with"});
  EXPECT_EQ(comparison.groups[1].num_pairs, 1);
  EXPECT_EQ(comparison.groups[1].flops_saved->n, 1);
  EXPECT_TRUE(to_json(comparison)["runs"][2]["equal_loss"]["loss"].is_null());
}

TEST_F(GroupsTest, NotesThatNotAllSeedsGotThere) {
  for (const uint64_t seed : {1, 2}) {
    write("plain", seed, "1000 flops", 1000, 2.0, "scratch");
    write("grown", seed, "1000 flops", 500, seed == 1 ? 2.0 : 2.5);
  }
  const Comparison comparison = compare();
  EXPECT_EQ(comparison.notes,
            std::vector<std::string>{
                "'grown' (1000 flops) reached the baseline's loss with 1 of 2 seeds: its savings "
                "at equal loss are the mean of these alone"});
  EXPECT_EQ(comparison_tables(comparison)[1].rows[0][2], "1 of 2");
}

TEST_F(GroupsTest, RefusesAnotherModelAmongTheSeeds) {
  write("plain", 1, "1000 flops", 1000, 2.0, "scratch");
  write("grown", 1, "1000 flops", 500, 2.0);
  Json start = start_row("grown", "apollo");
  start["seed"] = 2;
  start["width"] = 512;
  write_run(dir_ / "wide", {start, step_row(50, 500, 50, 2.0), eval_row(50, 500, 50, 12, 2.0)});
  write_file_atomic(dir_ / "wide/run.toml", "[train]\nduration = \"1000 flops\"\n");
  folders_.push_back(dir_ / "wide");
  try {
    compare();
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(),
                 "compare: the runs are not comparable: 'grown, seed 2' differs from 'plain' in "
                 "width ('512' against '384') (hint: --force compares them anyway)");
  }
}

TEST_F(GroupsTest, TwoRunsOfOneSeedAreNoRepetition) {
  write("plain", 1, "1000 flops", 1000, 2.0, "scratch");
  write("grown", 1, "1000 flops", 500, 2.0);
  write_run(dir_ / "again", {start_row("grown", "apollo"), step_row(50, 500, 50, 2.0),
                             eval_row(50, 500, 50, 12, 2.0)});
  const Comparison comparison = compare_folders({folders_[0], dir_ / "again", dir_ / "again"}, {});
  EXPECT_FALSE(comparison.is_grouped);
  EXPECT_EQ(comparison.groups.size(), 3u);
}

TEST(GradientRise, IsGreatestAfterOverMedianBefore) {
  RunHistory run;
  for (int step = 1; step <= 100; ++step) {
    run.steps.step.push_back(step);
    run.steps.grad_norm.push_back(step == 30 ? 100.0 : step <= 50 ? 2.0 : 1.0);
  }
  run.steps.grad_norm[59] = 8.0;   // step 60, within the 20 after
  run.steps.grad_norm[70] = 50.0;  // step 71, beyond them
  Growth growth;
  growth.step = 50;
  EXPECT_EQ(gradient_rise(run, growth), 4.0);
  growth.step = 100;
  EXPECT_EQ(gradient_rise(run, growth), std::nullopt);
}

TEST_F(GroupsTest, PowerIsMeteredOrAnEstimateThatSaysSo) {
  Cost cost;
  cost.wall_s = 3600.0;
  EXPECT_FALSE(energy_use(cost, {.price_per_kwh = 0.5}).has_value());
  const PowerOptions power{.price_per_kwh = 0.5, .grid_intensity = 400.0, .watts = 100.0};
  const auto estimate = energy_use(cost, power);
  EXPECT_TRUE(estimate->is_estimate);
  EXPECT_EQ(estimate->joules, 3.6e5);
  EXPECT_DOUBLE_EQ(*money(*estimate, power), 0.05);
  EXPECT_DOUBLE_EQ(*grams_co2e(*estimate, power), 40.0);
  EXPECT_EQ(money(*estimate, {}), std::nullopt);
  cost.energy_j = 7.2e6;
  EXPECT_FALSE(energy_use(cost, power)->is_estimate);
  EXPECT_DOUBLE_EQ(*money(*energy_use(cost, power), power), 1.0);
}

TEST(Saved, OneValueAndABoundHaveNoDeviation) {
  const Spread two{.n = 2, .mean = 0.5, .deviation = 0.0123};
  EXPECT_EQ(format_saved(two), "50.0 ± 1.2 %");
  EXPECT_EQ(format_saved(two, Bound::kAtLeast), "≥ 50.0 %");
  EXPECT_EQ(format_saved(two, Bound::kAtMost), "≤ 50.0 %");
  EXPECT_EQ(format_saved(Spread{.n = 1, .mean = 0.5}), "50.0 %");
  EXPECT_EQ(format_saved(std::optional<Spread>()), "not reached");
}

TEST(Interval, IsThatOfTheMean) {
  const Spread three{.n = 3, .mean = 0.5, .deviation = 0.01};
  EXPECT_EQ(percent_interval(three), "47.5 to 52.5 %");
  EXPECT_EQ(format_interval(three, 3), "0.475 to 0.525");
  EXPECT_EQ(percent_interval(three, Bound::kAtLeast), "–");
  EXPECT_EQ(percent_interval(Spread{.n = 1, .mean = 0.5}), "–");
}

TEST_F(GroupsTest, TablesForPapers) {
  for (const uint64_t seed : {1, 2}) {
    write("plain", seed, "1000 flops", 1000, 2.0, "scratch");
    write("grown", seed, "1000 flops", seed == 1 ? 400 : 600, 2.0);
  }
  Comparison comparison = compare();
  comparison.tuning.push_back({"plain", "train.lr=0.002", "9 steps", 1, 2.5, "", true, "tune/a"});
  const auto tables = comparison_tables(comparison);
  EXPECT_EQ(tables.back().rows[0][4], "* 2.5000");
  const std::string markdown = to_markdown(tables, {"a note"});
  EXPECT_NE(
      markdown.find(
          "| run | budget | seeds | FLOPs saved | 95 % interval | speed-up | layers | all layers | "
          "first | time saved | tokens saved |\n"
          "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
          "| grown | 1000 flops | 2 | 50.0 ± 14.1 % | -77.1 to 177.1 % | 2.00x | 12 | 50.0 ± 14.1 "
          "% | "
          "50.0 ± 14.1 % | 50.0 ± 14.1 % | 0.0 ± 0.0 % |\n"),
      std::string::npos)
      << markdown;
  const std::string csv = groups_csv(comparison);
  EXPECT_EQ(csv.substr(0, 33), "run,method,budget,final_loss_mean");
  EXPECT_NE(csv.find("\ngrown,apollo,1000 flops,2,0,2,2,0,2,,,,,,0,500,"), std::string::npos)
      << csv;
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
}

// Names come from folders and configs of other people.
TEST_F(GroupsTest, NamesAreNoFormulasAndNoNewLines) {
  write("plain", 1, "1000 flops", 1000, 2.0, "scratch");
  write("=cmd|x", 1, "1000 flops", 400, 2.0);
  write("two\nlines", 1, "1000 flops", 500, 2.0);
  const Comparison comparison = compare();
  const std::string csv = groups_csv(comparison);
  EXPECT_NE(csv.find("\n'=cmd|x,"), std::string::npos) << csv;
  EXPECT_NE(csv.find("\n\"two\nlines\","), std::string::npos) << csv;
  const std::string markdown = to_markdown(comparison_tables(comparison), {});
  EXPECT_NE(markdown.find("| two\\nlines |"), std::string::npos) << markdown;
}

}  // namespace
}  // namespace apollo
