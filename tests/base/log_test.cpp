#include "base/log.h"

#include <gtest/gtest.h>

#include <regex>

#include "base/error.h"
#include "base/file.h"
#include "support/temp_dir.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

TEST(LogFile, TakesTheLinesOfItsLifetime) {
  const TempDir dir;
  testing::internal::CaptureStderr();
  log_info("before");
  {
    const LogFile first(dir / "first.txt");
    log_info("in {}", "one");
    const LogFile second(dir / "second.txt");
    log_warning("in both");
    set_log_level(LogLevel::kQuiet);
    log_warning("nobody hears it");
    set_log_level(LogLevel::kInfo);
  }
  log_info("after");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "before\nin one\nwarning: in both\nafter\n");
  const std::string time = R"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d )";
  const auto matches = [](const std::string& text, const std::string& pattern) {
    return std::regex_match(text, std::regex(pattern));
  };
  EXPECT_TRUE(
      matches(read_file(dir / "first.txt"), time + "in one\n" + time + "warning: in both\n"));
  EXPECT_TRUE(matches(read_file(dir / "second.txt"), time + "warning: in both\n"));
  const LogFile again(dir / "first.txt");
  log_info("appended");
  EXPECT_TRUE(read_file(dir / "first.txt").ends_with("appended\n"));
}

TEST(LogFile, SaysWhereItCannotBe) {
  const TempDir dir;
  const std::string path = (dir / "none/log.txt").string();
  EXPECT_EQ(thrown_text<Error>([&] { LogFile{path}; }),
            path + ": cannot write the log: No such file or directory");
}

}  // namespace
}  // namespace apollo
