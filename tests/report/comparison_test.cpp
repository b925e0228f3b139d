#include "report/comparison.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "report/comparison_tables.h"
#include "report/formats.h"
#include "report/made_up_run.h"
#include "report/tables.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

// From scratch: loss 4 to 2 over 1000 FLOPs and 100 s.
std::vector<Json> scratch_rows() {
  return {start_row("plain", "scratch"),     step_row(50, 500, 50, 3.0),
          eval_row(50, 500, 50, 12, 3.0),    step_row(100, 1000, 100, 2.0),
          eval_row(100, 1000, 100, 12, 2.0), end_row(100, "finished")};
}

// Grown: loss 2 halfway between its evaluations at 400 and 800 FLOPs.
std::vector<Json> grown_rows() {
  return {start_row("grown", "apollo"),
          step_row(40, 400, 45, 3.0),
          eval_row(40, 400, 45, 3, 2.8),
          eval_row(40, 400, 45, 12, 3.0),
          {{"event", "grow"},
           {"step", 40},
           {"flops", 400.0},
           {"wall_s", 45.0},
           {"from", 3},
           {"to", 12},
           {"map", Json::array()},
           {"loss_before", 3.0},
           {"loss_after", 3.0}},
          step_row(80, 800, 85, 1.0),
          eval_row(80, 800, 85, 12, 1.0),
          end_row(80, "finished")};
}

class ComparisonTest : public testing::Test {
 protected:
  void SetUp() override {
    write_run(dir_ / "plain", scratch_rows());
    write_run(dir_ / "grown", grown_rows());
  }
  Comparison compare(const CompareOptions& options = {}) {
    return compare_folders({dir_ / "grown", dir_ / "plain"}, options);
  }
  std::string usage_error(const CompareOptions& options = {}) {
    try {
      compare(options);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "no UsageError";
  }

  TempDir dir_;
};

TEST_F(ComparisonTest, JsonHasTheKnownSavings) {
  const Json json = to_json(compare());
  EXPECT_EQ(json["baseline"], "plain");
  ASSERT_EQ(json["runs"].size(), 2u);
  const Json& grown = json["runs"][0];
  EXPECT_EQ(grown["name"], "grown");
  EXPECT_EQ(grown["final_loss"], 1.0);
  EXPECT_EQ(grown["flops"], 800.0);
  EXPECT_EQ(grown["wall_s"], 85.0);
  EXPECT_EQ(grown["equal_loss"]["loss"], 2.0);
  EXPECT_EQ(grown["equal_loss"]["flops_saved"], 1.0 - 600.0 / 1000.0);
  EXPECT_EQ(grown["equal_loss"]["wall_saved"], 1.0 - 65.0 / 100.0);
  EXPECT_EQ(grown["equal_loss"]["tokens_saved"], 1.0 - 600.0 / 1000.0);
  EXPECT_EQ(grown["equal_loss"]["flops_saved_for_good"], 1.0 - 600.0 / 1000.0);
  EXPECT_EQ(grown["equal_flops"]["flops"], 800.0);
  EXPECT_EQ(grown["equal_flops"]["loss"], 1.0);
  EXPECT_DOUBLE_EQ(grown["equal_flops"]["baseline_loss"], 2.4);
  EXPECT_EQ(grown["eval_flops"], 9.0);
  EXPECT_EQ(json["runs"][1]["equal_loss"]["flops_saved"], 0.0);
}

TEST_F(ComparisonTest, JsonIsNullWhereNotReached) {
  const Json json = to_json(compare({.baseline = "grown"}));
  EXPECT_EQ(json["baseline"], "grown");
  const Json& plain = json["runs"][1];
  EXPECT_EQ(plain["equal_loss"]["loss"], 1.0);
  for (const char* key : {"flops_saved", "wall_saved", "tokens_saved", "flops_saved_for_good"}) {
    EXPECT_TRUE(plain["equal_loss"].contains(key) && plain["equal_loss"][key].is_null()) << key;
  }
}

TEST_F(ComparisonTest, BaselineIsScratchElseTheFirstElseTheNamed) {
  EXPECT_EQ(compare().baseline, 1u);
  EXPECT_EQ(compare({.baseline = "grown"}).baseline, 0u);
  EXPECT_EQ(compare({.baseline = (dir_ / "grown").string()}).baseline, 0u);
  write_run(dir_ / "other",
            {start_row("other", "apollo"), step_row(1, 1, 1, 1), eval_row(1, 1, 1, 12, 1)});
  EXPECT_EQ(compare_folders({dir_ / "grown", dir_ / "other"}, {}).baseline, 0u);

  const Comparison joined =
      compare_folders({dir_ / "grown"}, {.baseline = (dir_ / "plain").string()});
  ASSERT_EQ(joined.runs.size(), 2u);
  EXPECT_EQ(joined.runs[joined.baseline].name, "plain");

  EXPECT_EQ(usage_error({.baseline = "groan"}),
            "compare: --baseline 'groan' is none of the runs (hint: did you mean 'grown'?)");
  EXPECT_EQ(usage_error({.baseline = "x"}),
            "compare: --baseline 'x' is none of the runs (hint: they are 'grown', 'plain')");
}

TEST_F(ComparisonTest, RefusesWhatIsNotComparable) {
  auto rows = grown_rows();
  rows[0]["context"] = 128;
  rows[0]["valid_data"] = "dddd";
  rows[0]["lr"] = 5;
  std::filesystem::remove_all(dir_ / "grown");
  write_run(dir_ / "grown", rows);
  const std::string what =
      "'grown' differs from 'plain' in validation data ('dddd' against 'bbbb'), "
      "context ('128' against '256')";
  EXPECT_EQ(usage_error(), "compare: the runs are not comparable: " + what +
                               " (hint: --force compares them anyway)");
  EXPECT_EQ(compare({.force = true}).notes.front(), "NOT COMPARABLE: " + what);
}

TEST_F(ComparisonTest, RefusesLossesOnDifferentPartsOfTheValidationData) {
  write_file_atomic(dir_ / "grown/run.toml", "[eval]\nmax_tokens = 1000\n");
  EXPECT_EQ(usage_error(), "no UsageError");
  write_file_atomic(dir_ / "plain/run.toml", "[eval]\nmax_tokens = 0\n");
  EXPECT_EQ(usage_error(),
            "compare: the runs are not comparable: 'grown' differs from 'plain' in "
            "eval.max_tokens ('1000 from the beginning' against '0') (hint: --force compares them "
            "anyway)");
}

TEST_F(ComparisonTest, NotesOtherLibrariesOfMatrixProductsWhereBothLogsNameOne) {
  auto rows = grown_rows();
  rows[0]["matmul"] = "oneDNN 2.6.3";
  std::filesystem::remove_all(dir_ / "grown");
  write_run(dir_ / "grown", rows);
  EXPECT_TRUE(compare().notes.empty());
  rows = scratch_rows();
  rows[0]["matmul"] = "LibTorch's BLAS";
  std::filesystem::remove_all(dir_ / "plain");
  write_run(dir_ / "plain", rows);
  EXPECT_EQ(compare().notes,
            std::vector<std::string>{"'grown' differs from 'plain' in library of matrix products "
                                     "('oneDNN 2.6.3' against 'LibTorch's BLAS')"});
}

TEST_F(ComparisonTest, OnlyNotesOtherDifferences) {
  auto rows = grown_rows();
  rows[0]["batch_size"] = 32;
  std::filesystem::remove_all(dir_ / "grown");
  write_run(dir_ / "grown", rows);
  write_file_atomic(dir_ / "grown/run.toml", "[run]\nname = \"grown\"\n[train]\nlr = 0.001\n");
  write_file_atomic(dir_ / "plain/run.toml", "[run]\nname = \"plain\"\n[train]\nlr = 0.008\n");
  const Comparison comparison = compare();
  EXPECT_EQ(comparison.notes,
            std::vector<std::string>{"'grown' differs from 'plain' in batch size ('32' against "
                                     "'64'), peak learning rate ('0.001' against '0.008')"});
  ASSERT_EQ(comparison.config_differences.size(), 1u);
  EXPECT_EQ(comparison.config_differences[0].key, "train.lr");
  EXPECT_EQ(comparison.config_differences[0].values, (std::vector<std::string>{"0.001", "0.008"}));
}

TEST_F(ComparisonTest, NotesWhatAReaderMustKnow) {
  auto rows = scratch_rows();
  rows.pop_back();
  rows.insert(rows.end(), {{{"event", "resume"}, {"step", 100}},
                           step_row(120, 1200, 120, 2.5),
                           eval_row(120, 1200, 120, 12, 2.5)});
  std::filesystem::remove_all(dir_ / "plain");
  write_run(dir_ / "plain", rows);
  EXPECT_EQ(compare().notes,
            (std::vector<std::string>{
                "'plain' was better before its end: loss 2.0000 at " + format_flops(1000) +
                    ", 2.5000 at the end; its end is compared",
                "'plain' has not ended: read up to step 120", "'plain' was resumed 1 time"}));
  rows.push_back(end_row(120, "early_stopping"));
  write_run(dir_ / "plain", rows);
  EXPECT_EQ(compare().notes.at(1),
            "'plain' ended early at step 120, before its learning rate had decayed");
}

TEST_F(ComparisonTest, TellsWhetherASourceIsCounted) {
  const auto note = [&](const Json& flops, bool charged) {
    auto rows = grown_rows();
    rows[0].update(
        {{"source", "runs/small"}, {"source_flops", flops}, {"source_charged", charged}});
    std::filesystem::remove_all(dir_ / "grown");
    write_run(dir_ / "grown", rows);
    return compare().notes.at(0);
  };
  const std::string begins = "'grown' begins from a trained model, ";
  EXPECT_EQ(note(5e9, true), begins + "counted in it: " + format_flops(5e9));
  EXPECT_EQ(note(5e9, false), begins + "NOT counted in it: " + format_flops(5e9));
  EXPECT_EQ(note(nullptr, false), begins + "whose cost is unknown: NOT counted in it");
}

TEST_F(ComparisonTest, NeedsTwoRunsWithFullDepthEvaluations) {
  try {
    compare_folders({dir_ / "grown"}, {});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(
        error.what(),
        "compare: expected two runs or more, found 1 (hint: `apollo report RUN` shows one)");
  }
  auto rows = grown_rows();
  std::erase_if(rows, [](const Json& row) { return row["event"] == "eval" && row["depth"] == 12; });
  std::filesystem::remove_all(dir_ / "grown");
  write_run(dir_ / "grown", rows);
  try {
    compare();
    FAIL();
  } catch (const DataError& error) {
    EXPECT_EQ(error.what(), (dir_ / "grown/metrics.jsonl").string() +
                                ": no evaluation at full depth (12 layers), nothing to compare "
                                "(hint: set eval.depths to [\"stage\", \"full\"], or let the run "
                                "reach its last stage)");
  }
}

TEST_F(ComparisonTest, GivesRunsOfOneNameTheirFolders) {
  write_run(dir_ / "again", grown_rows());
  const Comparison comparison =
      compare_folders({dir_ / "grown", dir_ / "again", dir_ / "plain/"}, {});
  EXPECT_EQ(comparison.runs[0].name, "grown");
  EXPECT_EQ(comparison.runs[1].name, "again");
  EXPECT_EQ(comparison.runs[2].name, "plain");
}

TEST_F(ComparisonTest, TableSaysTheSameInText) {
  const Comparison comparison = compare();
  const std::string text = to_text(comparison_tables(comparison), comparison.notes);
  EXPECT_NE(text.find("Equal loss\n"
                      "What it took to reach 2.0000, the last full-depth validation loss of "
                      "'plain'. Saved: for good, from\n"
                      "the last crossing on, linear between evaluations; a range where these lie "
                      "further apart than 2 % of\n"
                      "the budget. Layers: of the model there. All layers: from the last growth "
                      "on. First: at the first\n"
                      "crossing.\n\n"
                      "run       FLOPs saved  speed-up  layers  all layers   first  time saved  "
                      "tokens saved\n"
                      "grown  20.0 to 60.0 %         –      12      40.0 %  40.0 %      35.0 %    "
                      "    40.0 %\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("grown          40  3 → 12       3.0000      3.0000     0         –\n"),
            std::string::npos)
      << text;
}

TEST_F(ComparisonTest, ARunAloneIsAGroupOfOne) {
  const Comparison comparison = compare();
  ASSERT_FALSE(comparison.is_grouped);
  ASSERT_EQ(comparison.groups.size(), comparison.runs.size());
  const auto tables = comparison_tables(comparison);
  ASSERT_EQ(tables.size(), 4u);
  // No column speaks of seeds, and the baseline is not compared with itself.
  EXPECT_EQ(tables[1].header,
            (std::vector<std::string>{"run", "FLOPs saved", "speed-up", "layers", "all layers",
                                      "first", "time saved", "tokens saved"}));
  ASSERT_EQ(tables[1].rows.size(), 1u);
  EXPECT_EQ(tables[1].rows[0][1], format_saved_for_good(comparison.runs[0].equal_loss));
  EXPECT_EQ(tables[2].title, "Equal budget");
  EXPECT_EQ(tables[2].header,
            (std::vector<std::string>{"run", "at FLOPs", "loss", "baseline's loss", "difference"}));
  // Runs of any length are compared at the end of the shorter.
  const EqualFlops& equal = comparison.runs[0].equal_flops;
  EXPECT_EQ(comparison.groups[0].common_flops->mean, equal.flops);
  EXPECT_EQ(comparison.groups[0].loss_difference->mean, *equal.loss - *equal.baseline_loss);

  const auto alone = run_tables(read_run(dir_ / "grown"));
  EXPECT_EQ(alone[0].title, "Run");
  EXPECT_EQ(alone[0].rows, (std::vector<std::vector<std::string>>{tables[0].rows[0]}));
  EXPECT_EQ(alone[1].rows, tables[3].rows);
}

class MaskedComparisonTest : public ComparisonTest {
 protected:
  void SetUp() override {
    write("plain", "scratch", 2.0, 0.5);
    write("grown", "apollo", 1.5, 0.625);
  }

  void write(const std::string& name, const std::string& method, double loss, double accuracy) {
    std::filesystem::remove_all(dir_ / name);
    Json start = start_row(name, method);
    start["architecture"] = "bert";
    write_run(dir_ / name,
              {start, step_row(50, 500, 50, loss), masked_eval_row(50, 500, 50, 12, loss, accuracy),
               end_row(50, "finished")});
  }
};

TEST_F(MaskedComparisonTest, ShowsAccuracyAndNoPerplexity) {
  const Comparison comparison = compare();
  const Table table = comparison_tables(comparison)[0];
  EXPECT_EQ(table.header, (std::vector<std::string>{"run", "method", "valid loss", "masked acc.",
                                                    "FLOPs", "evaluation", "wall time", "tokens"}));
  EXPECT_EQ(table.rows[0][3], "62.50 %");
  EXPECT_EQ(table.rows[1][3], "50.00 %");
  const Json json = to_json(comparison);
  EXPECT_EQ(json["runs"][0]["accuracy"], 0.625);
  EXPECT_TRUE(json["runs"][0]["ppl"].is_null());
}

TEST_F(MaskedComparisonTest, RefusesAnotherMasking) {
  write_file_atomic(dir_ / "grown/run.toml",
                    "[data]\nmasked_fraction = 0.4\nmask_whole_words = false\n");
  write_file_atomic(dir_ / "plain/run.toml",
                    "[data]\nmasked_fraction = 0.15\nmask_whole_words = true\n");
  EXPECT_EQ(usage_error(),
            "compare: the runs are not comparable: 'grown' differs from 'plain' in "
            "data.masked_fraction ('0.4' against '0.15'), data.mask_whole_words ('false' against "
            "'true') (hint: --force compares them anyway)");
}

TEST_F(MaskedComparisonTest, RefusesAnotherArchitecture) {
  std::filesystem::remove_all(dir_ / "plain");
  write_run(dir_ / "plain", scratch_rows());
  EXPECT_EQ(usage_error(),
            "compare: the runs are not comparable: 'grown' differs from 'plain' in architecture "
            "('bert' against 'gpt2') (hint: --force compares them anyway)");
  // Forced, each shows what it has.
  const Table table = comparison_tables(compare({.force = true}))[0];
  EXPECT_EQ(table.rows[0][3], "–");
  EXPECT_EQ(table.rows[0][4], "62.50 %");
  EXPECT_EQ(table.rows[1][3], "7.39");
  EXPECT_EQ(table.rows[1][4], "–");
}

TEST(Tables, ShortensNamesToFitTheWidth) {
  Table table;
  table.title = "Title";
  table.header = {"run", "value"};
  table.rows = {{std::string(200, 'n'), "1"}};
  const std::string text = to_text({table}, {}, 30);
  EXPECT_NE(text.find(std::string(22, 'n') + "…      1\n"), std::string::npos) << text;
}

TEST(Tables, NamesThatDifferStillDoWhenShortened) {
  Table table;
  table.title = "Title";
  table.header = {"run", "value"};
  table.rows = {{std::string(20, 'n') + "-a-long", "1"}, {std::string(20, 'n') + "-b-long", "2"}};
  const std::string text = to_text({table}, {}, 20);
  EXPECT_NE(text.find(std::string(20, 'n') + "-a…"), std::string::npos) << text;
  EXPECT_NE(text.find(std::string(20, 'n') + "-b…"), std::string::npos) << text;
}

TEST(Tables, FormatsSavings) {
  EXPECT_EQ(format_saved(0.4156), "41.6 %");
  EXPECT_EQ(format_saved(-0.12), "-12.0 %");
  EXPECT_EQ(format_saved(std::optional<double>()), "not reached");
  EXPECT_EQ(format_speed_up(0.5), "2.00x");
  EXPECT_EQ(format_speed_up(-1.0), "0.50x");
  EXPECT_EQ(format_accuracy(0.41567), "41.57 %");
  EXPECT_EQ(format_energy(1800), "0.50 Wh");
  EXPECT_EQ(format_energy(7.2e6), "2.00 kWh");
}

}  // namespace
}  // namespace apollo
