#include "report/page.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "report/assets.h"
#include "report/made_up_run.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

bool contains(const std::string& page, std::string_view text) {
  return page.find(text) != std::string::npos;
}

TEST(Page, ShowsWhatARunSaved) {
  TempDir dir;
  write_run(dir / "plain", {start_row("plain", "scratch"), step_row(100, 1000, 100, 2.0),
                            eval_row(100, 1000, 100, 12, 2.0), end_row(100, "finished")});
  write_run(dir / "grown", {start_row("grown", "apollo"), step_row(60, 600, 65, 2.0),
                            eval_row(30, 300, 30, 12, 3.0), eval_row(60, 600, 65, 12, 2.0),
                            end_row(60, "finished")});
  const auto file = dir / "page.html";
  write_comparison_page(compare_folders({dir / "plain", dir / "grown"}, {}), file);
  const std::string page = read_file(file);
  EXPECT_TRUE(contains(page, "<h1>grown against plain</h1>"));
  EXPECT_TRUE(
      contains(page,
               "<strong>40.0 %</strong><span>of the FLOPs saved for good at equal loss</span>"
               "<small>600 FLOP instead of 1.00 kFLOP: 1.67x</small>"));
  EXPECT_TRUE(contains(page, "<strong>35.0 %</strong><span>of the wall time saved"));
  EXPECT_TRUE(contains(page, page_css()));
  EXPECT_TRUE(contains(page, plotly_js()));
}

TEST(Page, SaysSoWhereNothingWasSaved) {
  TempDir dir;
  write_run(dir / "plain", {start_row("plain", "scratch"), step_row(1, 1000, 100, 2.0),
                            eval_row(1, 1000, 100, 12, 2.0)});
  write_run(dir / "worse", {start_row("worse", "apollo"), step_row(1, 1000, 100, 2.5),
                            eval_row(1, 1000, 100, 12, 2.5)});
  write_run(dir / "dearer", {start_row("dearer", "apollo"), step_row(2, 1500, 150, 2.0),
                             eval_row(1, 750, 75, 12, 3.0), eval_row(2, 1500, 150, 12, 2.0)});
  const std::string worse = comparison_page(compare_folders({dir / "plain", dir / "worse"}, {}));
  EXPECT_TRUE(contains(worse, "<strong>not reached</strong><span>the final loss of plain</span>"));
  EXPECT_TRUE(contains(worse, "worse did not reach the final validation loss of plain (2.0000)."));
  const std::string dearer = comparison_page(compare_folders({dir / "plain", dir / "dearer"}, {}));
  EXPECT_TRUE(contains(dearer, "<strong>50.0 %</strong><span>more FLOPs needed for equal loss"));
}

TEST(Page, NamesTheBestCheckpointWhereItIsNotTheLast) {
  TempDir dir;
  write_run(dir / "a", {start_row("a", "apollo"), step_row(1, 100, 1, 4.0)});
  const auto folder = dir / "a/checkpoints";
  for (const char* step : {"step-1", "step-2"})
    std::filesystem::create_directories(folder / step);
  std::filesystem::create_symlink("step-2", folder / "latest");
  const std::string note = "<li>The model with the lowest validation loss is in " +
                           (folder / "best").string() + ".</li>";
  EXPECT_FALSE(contains(run_page(read_run(dir / "a")), note));
  std::filesystem::create_symlink("step-1", folder / "best");
  EXPECT_TRUE(contains(run_page(read_run(dir / "a")), note));
  std::filesystem::remove(folder / "best");
  std::filesystem::create_symlink("step-2", folder / "best");
  EXPECT_FALSE(contains(run_page(read_run(dir / "a")), note));
}

TEST(Page, ShowsWhatTheModelWrote) {
  TempDir dir;
  write_run(dir / "a",
            {start_row("a", "apollo"),
             step_row(1, 100, 1, 4.0),
             {{"event", "sample"}, {"step", 1}, {"prompt", "Once "}, {"text", "<b>two\nlines"}}});
  const std::string page = run_page(read_run(dir / "a"));
  EXPECT_TRUE(contains(page, "<h2>What the model writes</h2>"));
  EXPECT_TRUE(contains(page, "<tr><th scope=\"row\">1</th><td>Once &lt;b&gt;two\nlines</td></tr>"));
}

TEST(Page, WritesAReportIntoTheRunFolder) {
  TempDir dir;
  write_run(dir / "a", {start_row("a", "apollo"), step_row(1, 100, 1, 4.0)});
  EXPECT_EQ(write_run_report(dir / "a"), dir / "a/report.html");
  const std::string page = read_file(dir / "a/report.html");
  EXPECT_TRUE(contains(page, "<li>no evaluation at full depth yet</li>"));
  EXPECT_EQ(write_run_report(dir / "a", dir / "b.html"), dir / "b.html");
  EXPECT_EQ(read_file(dir / "b.html"), page);
}

TEST(Page, OfAMaskedModelShowsItsAccuracy) {
  TempDir dir;
  Json start = start_row("a", "apollo");
  start["architecture"] = "bert";
  write_run(dir / "a",
            {start, step_row(1, 100, 1, 4.0), masked_eval_row(1, 100, 1, 12, 2.0, 0.41567)});
  const std::string page = run_page(read_run(dir / "a"));
  EXPECT_TRUE(contains(page, "<p class=\"lede\">BERT with 12 layers"));
  EXPECT_TRUE(contains(page,
                       "<strong>2.0000</strong><span>validation loss at full depth</span>"
                       "<small>masked accuracy 41.57 %</small>"));
  EXPECT_TRUE(contains(page, "\"accuracy\":[0.41567]"));
  EXPECT_FALSE(contains(page, "perplexity"));
}

TEST(Page, NamesCannotBreakOutOfTheMarkup) {
  TempDir dir;
  write_run(dir / "a", {start_row("</script><b>\"&", "apollo"), step_row(1, 100, 1, 4.0)});
  const std::string page = run_page(read_run(dir / "a"));
  EXPECT_FALSE(contains(page, "</script><b>"));
  EXPECT_TRUE(contains(page, "<h1>&lt;/script&gt;&lt;b&gt;&quot;&amp;</h1>"));
}

}  // namespace
}  // namespace apollo
