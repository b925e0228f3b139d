// Tests plain lines, as they appear if stderr is not a terminal. Time is real here: output that
// appears only after a second costs the test a second.
#include "base/progress.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "base/log.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

using namespace std::chrono_literals;

TEST(Progress, IsSilentForWhatEndsSoon) {
  testing::internal::CaptureStderr();
  {
    Progress progress("read", 100, "B");
    for (int i = 0; i <= 100; ++i)
      progress.update(i);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Progress, ShowsAPlainLineNowAndThenAndOneAtTheEnd) {
  testing::internal::CaptureStderr();
  {
    Progress progress("read", 4096, "B");
    std::this_thread::sleep_for(10100ms);
    progress.update(1024, "a.txt");
    progress.update(2048, "too soon to show");
    progress.update(4096);
  }
  const std::string shown = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(shown.starts_with("read: 1.00 KiB of 4.00 KiB (25 %), 101 B/s, 30s left  a.txt\n"))
      << shown;
  EXPECT_NE(shown.find("\nread: 4.00 KiB, "), std::string::npos) << shown;
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '\n'), 2) << shown;
  EXPECT_EQ(shown.find('\r'), std::string::npos) << "no cursor movement in a log";
}

}  // namespace
}  // namespace apollo
