// Opens pages in headless Chromium without network and checks what was drawn. Skipped if there is
// no Chromium. APOLLO_SCREENSHOTS=FOLDER keeps pictures for people to look at.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "report/made_up_run.h"
#include "report/page.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

std::string find_browser() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    const std::string command = std::string("command -v ") + name + " > /dev/null 2>&1";
    if (std::system(command.c_str()) == 0) return name;
  }
  return "";
}

size_t count(const std::string& text, const std::string& part) {
  size_t number = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++number;
  return number;
}

class PageBrowserTest : public testing::Test {
 protected:
  void SetUp() override {
    browser_ = find_browser();
    if (browser_.empty()) GTEST_SKIP() << "no chromium or google-chrome on this machine";
    for (const char* method : {"scratch", "apollo"}) {
      write_realistic_run(dir_ / method, method, method, 3000);
    }
    write_comparison_page(compare_folders({dir_ / "scratch", dir_ / "apollo"}, {}),
                          dir_ / "comparison.html");
    write_run_report(dir_ / "apollo");
  }

  // Runs the browser on `page` with `fragment` and returns its stdout. If the page writes anything
  // to its console, including errors and refused loads, the test fails.
  std::string browse(const std::string& page, const std::string& fragment,
                     const std::string& action, const std::string& options = "") {
    const auto out = dir_ / "stdout";
    const auto log = dir_ / "stderr";
    const std::string command =
        browser_ +
        " --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
        " --disable-component-update --disable-sync --hide-scrollbars --enable-logging=stderr"
        " --proxy-server=127.0.0.1:9 --virtual-time-budget=10000 --user-data-dir='" +
        (dir_ / "profile").string() + "' " + options + " " + action + " 'file://" +
        (dir_ / page).string() + "#" + fragment + "' > '" + out.string() + "' 2> '" + log.string() +
        "'";
    EXPECT_EQ(std::system(command.c_str()), 0) << read_file(log);
    const std::string messages = read_file(log);
    EXPECT_EQ(count(messages, "CONSOLE"), 0u) << messages;
    return read_file(out);
  }

  std::string dom(const std::string& page, const std::string& fragment,
                  const std::string& options = "") {
    std::string text = browse(page, fragment, "--dump-dom --window-size=1280,2800", options);
    // Returns only what was drawn, because the sources of plotly.js mention everything.
    return text.substr(0, text.find("<script type=\"application/json\""));
  }

  TempDir dir_;
  std::string browser_;
};

constexpr const char* kDrawn = "class=\"main-svg\"";
// Plotly stacks three SVGs per chart.
constexpr size_t kSvgsOfSixCharts = 18;

TEST_F(PageBrowserTest, DrawsAllChartsOfAComparison) {
  const std::string page = dom("comparison.html", "");
  EXPECT_EQ(count(page, kDrawn), kSvgsOfSixCharts);
  EXPECT_EQ(count(page, ">1→3</text>"), 2u);
  EXPECT_EQ(count(page, ">baseline's last loss"), 1u);
  EXPECT_EQ(count(page, "training FLOPs</text>"), 6u);
  EXPECT_EQ(count(page, "<figure"), 6u);
  EXPECT_EQ(count(page, "scratch (baseline)</button>"), 1u);
}

TEST_F(PageBrowserTest, DrawsBandsOverSeedsAndBudgets) {
  std::vector<std::filesystem::path> folders;
  for (const char* method : {"scratch", "apollo"}) {
    for (const int64_t steps : {400, 1600}) {
      for (const uint64_t seed : {1, 2, 3}) {
        folders.push_back(dir_ / fmt::format("{}-{}-{}", method, steps, seed));
        write_realistic_run(folders.back(), method, method, steps, seed);
      }
    }
  }
  write_comparison_page(compare_folders(folders, {}), dir_ / "seeds.html");
  const std::string page = dom("seeds.html", "");
  constexpr size_t kSvgsOfNineCharts = 27;
  EXPECT_EQ(count(page, kDrawn), kSvgsOfNineCharts);
  EXPECT_EQ(count(page, "<button type=\"button\" aria-pressed=\"true\"><i"), 2u);
  EXPECT_EQ(count(page, "Loss against budget"), 1u);
  EXPECT_EQ(count(page, "over 3 seeds"), 4u) << "lede and three headlines";
  EXPECT_EQ(count(page, folders.back().string() + "</td>"), 1u) << "every run has its folder";
}

TEST_F(PageBrowserTest, DrawsASingleRun) {
  const std::string page = dom("apollo/report.html", "");
  EXPECT_EQ(count(page, kDrawn), kSvgsOfSixCharts);
  EXPECT_EQ(count(page, ">6→12</text>"), 2u);
  EXPECT_EQ(count(page, ">baseline's last loss"), 0u);
}

TEST_F(PageBrowserTest, ChangesItsAxis) {
  EXPECT_EQ(count(dom("comparison.html", "x=tokens"), "training tokens</text>"), 6u);
  EXPECT_EQ(count(dom("comparison.html", "x=wall_s&log=1"), "wall time (minutes)</text>"), 6u);
}

TEST_F(PageBrowserTest, ControlsWork) {
  const std::string clicks =
      "<script>document.querySelectorAll('#axes button')[3].click();"
      "document.getElementById('log').click();"
      "document.querySelector('#runs button:last-child').click();"
      "document.getElementById('theme').click();</script>";
  write_file_atomic(dir_ / "clicked.html", read_file(dir_ / "comparison.html") + clicks);
  const std::string page = dom("clicked.html", "");
  EXPECT_EQ(count(page, "optimizer steps</text>"), 6u);
  EXPECT_EQ(count(page, "class=\"chip\" aria-pressed=\"true\">log loss"), 1u);
  EXPECT_EQ(count(page, ">6→12</text>"), 0u) << "the run that grows is hidden";
  EXPECT_EQ(count(page, "Theme: light"), 1u);
}

TEST_F(PageBrowserTest, FollowsTheColourSchemeAndTheReadersChoice) {
  // The colour of the axes' numbers in assets/page.css, --muted.
  const std::string light = "fill: rgb(93, 102, 115)";
  const std::string dark = "fill: rgb(154, 164, 178)";
  const std::string light_system = "--blink-settings=preferredColorScheme=1";
  const std::string dark_system = "--blink-settings=preferredColorScheme=0";
  const auto expect = [&](const std::string& wanted, const std::string& other,
                          const std::string& fragment, const std::string& system) {
    const std::string page = dom("comparison.html", fragment, system);
    EXPECT_GT(count(page, wanted), 0u) << fragment << " " << system;
    EXPECT_EQ(count(page, other), 0u) << fragment << " " << system;
  };
  expect(dark, light, "", dark_system);
  expect(dark, light, "theme=dark", light_system);
  expect(light, dark, "theme=light", dark_system);
}

TEST_F(PageBrowserTest, KeepsScreenshotsWhereAsked) {
  const char* folder = std::getenv("APOLLO_SCREENSHOTS");
  if (folder == nullptr) GTEST_SKIP() << "APOLLO_SCREENSHOTS is not set";
  std::filesystem::create_directories(folder);
  for (const char* page : {"comparison", "apollo/report"}) {
    for (const char* theme : {"light", "dark"}) {
      const auto picture = std::filesystem::path(folder) /
                           (std::filesystem::path(page).filename().string() + "-" + theme + ".png");
      browse(std::string(page) + ".html", std::string("theme=") + theme,
             "--window-size=1280,3000 --screenshot='" + picture.string() + "'");
      EXPECT_GT(std::filesystem::file_size(picture), 50'000u);
    }
  }
}

}  // namespace
}  // namespace apollo
