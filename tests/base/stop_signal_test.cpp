#include "base/stop_signal.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/error.h"

namespace apollo {
namespace {

// How `act` ends in a process of its own: its exit code, or 1000 + signal.
template <class Act>
int end_of(Act act) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(act());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(StopSignal, IsAFlagThatLoopsLookAt) {
  for (const int signal : {SIGINT, SIGTERM}) {
    EXPECT_EQ(end_of([&] {
                install_stop_handlers();
                if (stop_requested() != 0) return 1;
                throw_if_stopped();
                ::raise(signal);
                try {
                  throw_if_stopped();
                } catch (const Interrupted& stop) {
                  return stop_requested() == signal ? stop.signal() : 2;
                }
                return 3;
              }),
              signal);
  }
}

TEST(StopSignal, TheSecondOfItsKindEndsTheProgram) {
  EXPECT_EQ(end_of([] {
              install_stop_handlers();
              ::raise(SIGINT);
              ::raise(SIGINT);
              return 0;
            }),
            1000 + SIGINT);
}

}  // namespace
}  // namespace apollo
