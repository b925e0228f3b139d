#include "base/log.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
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

TEST(LogFile, TakesDetailsThatStderrDoesNotShow) {
  const TempDir dir;
  testing::internal::CaptureStderr();
  {
    const LogFile file(dir / "log.txt");
    log_detail("a detail");
    set_log_level(LogLevel::kDetail);
    log_detail("another");
    set_log_level(LogLevel::kInfo);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "another\n");
  const std::string text = read_file(dir / "log.txt");
  EXPECT_NE(text.find(" a detail\n"), std::string::npos);
  EXPECT_NE(text.find(" another\n"), std::string::npos);
}

// Returns what a process writes to its stderr, which is a terminal of 30 columns.
std::string on_a_terminal(const std::function<void()>& act) {
  int terminal = -1;
  const winsize size{.ws_row = 24, .ws_col = 30, .ws_xpixel = 0, .ws_ypixel = 0};
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    act();
    ::_exit(0);
  }
  std::string shown;
  char buffer[256];
  for (ssize_t n; (n = ::read(terminal, buffer, sizeof buffer)) > 0;)
    shown.append(buffer, static_cast<size_t>(n));
  ::waitpid(child, nullptr, 0);
  ::close(terminal);
  return shown;
}

TEST(Status, StaysBelowTheLinesOfATerminal) {
  const std::string shown = on_a_terminal([] {
    show_status("ten per cent are done, so that the line is too long");
    log_info("a line");
    show_status("twenty");
    show_status("");
  });
  const std::string first = "ten per cent are done, so tha";
  const std::string erase = "\r\x1b[K";
  EXPECT_EQ(shown, first + erase + "a line\r\n" + first + erase + "twenty" + erase);
}

TEST(Status, IsNothingElsewhere) {
  testing::internal::CaptureStderr();
  show_status("ten per cent");
  log_info("a line");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "a line\n");
}

TEST(LogFile, SaysWhereItCannotBe) {
  const TempDir dir;
  const std::string path = (dir / "none/log.txt").string();
  EXPECT_EQ(thrown_text<Error>([&] { LogFile{path}; }),
            path + ": cannot write the log: No such file or directory");
}

}  // namespace
}  // namespace apollo
