#include "base/standard_streams.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "base/error.h"

namespace apollo {
namespace {

// Returns the exit code of a child that runs `act` with `output` as its stdout, closed if null.
template <class Act>
int exit_code(const char* output, Act act) {
  std::fflush(stdout);  // or the child would write it once more
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(STDOUT_FILENO);
    if (output != nullptr && ::open(output, O_WRONLY) != STDOUT_FILENO) ::_exit(9);
    guard_standard_streams();
    try {
      act();
      finish_stdout();
      ::_exit(0);
    } catch (const Error&) {
      ::_exit(1);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

TEST(StandardStreams, AStdoutThatTakesNothingIsAnError) {
  const auto print = [] { std::fputs("text", stdout); };
  const auto stream = [] { std::cout << "text"; };
  for (const char* output : {"/dev/full", static_cast<const char*>(nullptr)}) {
    EXPECT_EQ(exit_code(output, print), 1);
    EXPECT_EQ(exit_code(output, stream), 1);
    EXPECT_EQ(exit_code(output, [] {}), 0);
  }
  EXPECT_EQ(exit_code("/dev/null", print), 0);
}

TEST(StandardStreams, AClosedDescriptorIsNotGivenToAFile) {
  EXPECT_EQ(exit_code(nullptr,
                      [] {
                        const int file = ::open("/dev/null", O_WRONLY);
                        if (file <= STDERR_FILENO) fail<Error>("a file is {}", file);
                      }),
            0);
}

}  // namespace
}  // namespace apollo
