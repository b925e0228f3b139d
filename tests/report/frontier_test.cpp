// Compares runs with the best model from scratch of any depth.
#include "report/frontier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "report/comparison.h"
#include "report/comparison_tables.h"
#include "report/groups_csv.h"
#include "report/made_up_run.h"
#include "report/page.h"
#include "report/tables.h"
#include "support/temp_dir.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

const std::vector<FrontierCurve> kCurves = {
    {"one", 1, {{1000, 3.0}, {4000, 2.8}}},
    {"three", 3, {{1000, 3.5}, {4000, 2.5}, {16000, 2.0}}},
};

TEST(FrontierSaving, IsReadAgainstTheLowerEnvelope) {
  // One layer ends at 2.9 after 2000 FLOPs and three layers need more; the frontier is the least of
  // both.
  EXPECT_DOUBLE_EQ(frontier_saving({1000, 2.9}, kCurves)->flops_saved, 0.5);
  EXPECT_EQ(frontier_saving({1000, 2.9}, kCurves)->bound, Bound::kExact);
  // Below every loss that one layer reached, three layers are the frontier.
  EXPECT_DOUBLE_EQ(frontier_saving({4000, 2.25}, kCurves)->flops_saved, 0.5);
  // One run is on the frontier, the other above it: one layer needs half of its FLOPs.
  EXPECT_NEAR(frontier_saving({2000, 2.9}, kCurves)->flops_saved, 0.0, 1e-12);
  EXPECT_NEAR(frontier_saving({4000, 2.9}, kCurves)->flops_saved, -1.0, 1e-12);
}

TEST(FrontierSaving, IsABoundBeyondTheBudgets) {
  const auto better = frontier_saving({8000, 1.5}, kCurves);
  EXPECT_EQ(better->bound, Bound::kAtLeast);
  EXPECT_EQ(better->flops_saved, 0.5);
  const auto worse = frontier_saving({2000, 3.2}, kCurves);
  EXPECT_EQ(worse->bound, Bound::kAtMost);
  EXPECT_EQ(worse->flops_saved, -1.0);
  EXPECT_FALSE(frontier_saving({1000, 2.0}, {}).has_value());
}

TEST(LossAtBudget, IsLinearInLogFlops) {
  const std::vector<BudgetPoint> ends = {{1000, 3.0}, {4000, 2.0}};
  EXPECT_DOUBLE_EQ(*loss_at_budget(ends, 2000), 2.5);
  // The FLOPs of two runs of one budget differ by a step or so.
  EXPECT_EQ(loss_at_budget(ends, 1010), 3.0);
  EXPECT_EQ(loss_at_budget(ends, 990), 3.0);
  EXPECT_EQ(loss_at_budget(ends, 900), std::nullopt);
  EXPECT_EQ(loss_at_budget(ends, 5000), std::nullopt);
}

class FrontierTest : public testing::Test {
 protected:
  void write(const std::string& name, int64_t layers, uint64_t seed, double flops, double loss,
             const std::string& method = "scratch") {
    const std::string budget = std::to_string(static_cast<int>(flops)) + " flops";
    const auto folder = dir_ / (name + "-" + budget + "-" + std::to_string(seed));
    Json start = start_row(name, method);
    start["seed"] = seed;
    start["layers"] = layers;
    Json first = eval_row(1, 0, 0, 12, 4.0);
    Json last = eval_row(50, flops, flops / 10, 12, loss);
    for (Json* row : {&first, &last})
      (*row)["depth"] = layers;
    write_run(folder,
              {start, first, step_row(50, flops, flops / 10, loss), last, end_row(50, "finished")});
    write_file_atomic(folder / "run.toml", "[train]\nduration = \"" + budget + "\"\n");
    folders_.push_back(folder);
  }
  // 12 layers lose to 3 at 1000 FLOPs and win at 4000; `grown` is between them, then below both.
  void write_all() {
    for (const uint64_t seed : {1, 2}) {
      const double luck = seed == 1 ? 0.0 : 0.125;
      write("deep", 12, seed, 1000, 3.0 + luck);
      write("deep", 12, seed, 4000, 2.0 + luck);
      write("three", 3, seed, 1000, 2.5 + luck);
      write("three", 3, seed, 4000, 2.25 + luck);
      write("grown", 12, seed, 1000, 2.75 + luck, "apollo");
      write("grown", 12, seed, 4000, 1.75 + luck, "apollo");
    }
  }
  Comparison compare(std::vector<std::string> frontier = {"three"}) {
    return compare_folders(folders_, {.baseline = "deep", .frontier = std::move(frontier)});
  }
  const RunGroup& group(const Comparison& comparison, const std::string& name, size_t budget) {
    size_t seen = 0;
    for (const RunGroup& group : comparison.groups) {
      if (group.name == name && seen++ == budget) return group;
    }
    throw std::out_of_range(name);
  }

  TempDir dir_;
  std::vector<std::filesystem::path> folders_;
};

TEST_F(FrontierTest, NamesTheBestShallowerModel) {
  write_all();
  const Comparison comparison = compare();
  const FrontierSummary small = *group(comparison, "grown", 0).frontier;
  EXPECT_EQ(small.shallower->name, "three");
  EXPECT_EQ(small.shallower->layers, 3);
  EXPECT_EQ(small.shallower->loss.mean, 2.5625);
  EXPECT_EQ(small.best->layers, 3);
  EXPECT_EQ(small.verdict(), "ends 0.2500 above the frontier");
  // Its 2.75 is above every final loss of three layers, so at most nothing is saved.
  EXPECT_EQ(small.saved_bound, Bound::kAtMost);
  EXPECT_EQ(small.saved->mean, 0.0);
  // It saves against its own depth: 2.75 is a quarter of the way from 1000 to 4000.
  EXPECT_NEAR(small.same_depth_saved->mean, 1.0 - 1.0 / std::sqrt(std::sqrt(4.0)), 1e-12);
  EXPECT_EQ(small.same_depth_bound, Bound::kExact);

  const FrontierSummary large = *group(comparison, "grown", 1).frontier;
  EXPECT_EQ(large.shallower->layers, 3);
  EXPECT_EQ(large.best->layers, 12);
  EXPECT_EQ(large.best->difference.mean, -0.25);
  EXPECT_EQ(large.verdict(), "ends 0.2500 below the frontier");
  EXPECT_EQ(large.saved_bound, Bound::kAtLeast);
  EXPECT_FALSE(group(comparison, "deep", 0).frontier.has_value());
  EXPECT_FALSE(group(comparison, "three", 0).frontier.has_value());
}

TEST_F(FrontierTest, SaysInWordsWhatEndedAbove) {
  write_all();
  const Comparison comparison = compare();
  const std::string said =
      "'grown' (1000 flops) ends 0.2500 above the frontier: for the same FLOPs 'three' (3 layers "
      "from scratch) ends at 2.5625, it at 2.8125";
  EXPECT_EQ(std::count(comparison.notes.begin(), comparison.notes.end(), said), 1);
  EXPECT_EQ(frontier_table(comparison).rows[0].back(), "ends 0.2500 above the frontier");
  EXPECT_EQ(frontier_table(comparison).rows[0][4], "three (3 layers)");
  const std::string csv = groups_csv(comparison);
  EXPECT_NE(csv.find(",ends 0.2500 above the frontier\n"), std::string::npos) << csv;
  const std::string markdown = to_markdown(comparison_tables(comparison), {});
  EXPECT_NE(markdown.find("### Against the frontier\n"), std::string::npos);
}

TEST_F(FrontierTest, IsInTheJson) {
  write_all();
  const Json json = to_json(compare());
  const Json& points = json["frontier"];
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0]["layers"], 3);
  EXPECT_EQ(points[0]["loss"], 2.5625);
  EXPECT_EQ(points[1]["layers"], 12);
  EXPECT_EQ(points[1]["flops"], 4000.0);
  const Json& grown = json["groups"][4]["frontier"];
  EXPECT_EQ(json["groups"][4]["name"], "grown");
  EXPECT_EQ(grown["shallower"]["name"], "three");
  EXPECT_EQ(grown["bound"], "at most");
  EXPECT_EQ(grown["verdict"], "ends 0.2500 above the frontier");
  EXPECT_TRUE(json["groups"][0]["frontier"].is_null());
}

TEST_F(FrontierTest, IsDrawnOnThePage) {
  write_all();
  const auto page = dir_ / "page.html";
  write_comparison_page(compare(), page);
  const std::string html = read_file(page);
  EXPECT_NE(
      html.find("\"frontier\":[{\"name\":\"three\",\"layers\":3,\"flops\":1000.0,\"loss\":2.5625}"),
      std::string::npos);
  EXPECT_NE(html.find("It ends 0.2500 below the frontier."), std::string::npos);
}

TEST_F(FrontierTest, OfOneSeedAndBudgetIsShownAsWell) {
  write("deep", 12, 1, 1000, 3.0);
  write("three", 3, 1, 1000, 2.5);
  write("grown", 12, 1, 1000, 2.25, "apollo");
  const Comparison comparison = compare();
  EXPECT_FALSE(comparison.is_grouped);
  const auto tables = comparison_tables(comparison);
  const auto table = std::find_if(tables.begin(), tables.end(), [](const Table& candidate) {
    return candidate.title == "Against the frontier";
  });
  ASSERT_NE(table, tables.end());
  EXPECT_EQ(table->rows[0][6], "≥ 0.0 %");
}

TEST_F(FrontierTest, SaysWhereDepthsDiffer) {
  write_all();
  const Comparison comparison = compare();
  const std::string said =
      "'three' ends with 3 layers and 'deep' with 12: equal loss and equal budget compare models "
      "of "
      "different depths";
  EXPECT_EQ(std::count(comparison.notes.begin(), comparison.notes.end(), said), 1);
}

TEST_F(FrontierTest, WithoutOneDepthsDoNotCompare) {
  write_all();
  EXPECT_NE(thrown_text<UsageError>([&] { compare({}); })
                .find("differs from 'deep, 1000 flops, seed 1' in "
                      "layers ('3' against '12')"),
            std::string::npos);
}

TEST_F(FrontierTest, IsOfRunsFromScratch) {
  write_all();
  EXPECT_EQ(thrown_text<UsageError>([&] { compare({"grown"}); }),
            "compare: 'grown, 1000 flops, seed 1' cannot be of the frontier: its method is "
            "'apollo' (hint: the frontier is made of runs from scratch)");
  EXPECT_EQ(thrown_text<UsageError>([&] { compare({"tree"}); }),
            "compare: --frontier 'tree' is none of the runs (hint: did you mean 'three'?)");
}

}  // namespace
}  // namespace apollo
