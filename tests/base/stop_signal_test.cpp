#include "base/stop_signal.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>

#include "base/error.h"

namespace apollo {
namespace {

// Returns how `act` ends in its own process: its exit code, or 1000 + signal.
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

TEST(StopSignal, IsRaisedWithoutASignal) {
  EXPECT_EQ(end_of([] {
              const StopScope scope;
              request_stop(SIGTERM);
              try {
                throw_if_stopped();
              } catch (const Interrupted& stop) {
                return stop.signal();
              }
              return 0;
            }),
            SIGTERM);
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

int g_calls = 0;

void count_call(int /*signal*/) {
  ++g_calls;
}

TEST(StopSignal, AScopeCallsTheHandlersBeforeItAndGivesThemBack) {
  EXPECT_EQ(end_of([] {
              std::signal(SIGINT, count_call);
              {
                const StopScope scope;
                if (stop_requested() != 0) return 1;
                ::raise(SIGINT);
                ::raise(SIGINT);
                if (stop_requested() != SIGINT || g_calls != 2) return 2;
                const StopScope inner;
                if (stop_requested() != SIGINT) return 3;
                ::raise(SIGTERM);  // nobody's before
                if (stop_requested() != SIGTERM || g_calls != 2) return 4;
              }
              ::raise(SIGINT);
              if (g_calls != 3) return 5;
              {
                const StopScope again;
                if (stop_requested() != 0) return 6;
                std::signal(SIGINT, SIG_IGN);
              }
              ::raise(SIGINT);  // whoever took the place keeps it
              return g_calls == 3 ? 0 : 7;
            }),
            0);
}

TEST(StopSignal, WithoutAScopeASignalEndsTheProcessAgain) {
  EXPECT_EQ(end_of([] {
              { const StopScope scope; }
              ::raise(SIGTERM);
              return 0;
            }),
            1000 + SIGTERM);
}

TEST(StopSignal, EndsAProgramThatWaitsForInput) {
  int input[2];
  ASSERT_EQ(::pipe(input), 0);
  const auto wait_for_input = [&](bool is_stopped_before) {
    return end_of([&] {
      install_stop_handlers();
      if (is_stopped_before) ::raise(SIGINT);
      const pid_t parent = ::getpid();
      if (!is_stopped_before && ::fork() == 0) {
        ::usleep(50'000);
        ::kill(parent, SIGTERM);
        ::_exit(0);
      }
      try {
        const WaitingForInput waiting;
        char byte = 0;
        return static_cast<int>(::read(input[0], &byte, 1));
      } catch (const Interrupted& stop) {
        return 100 + stop.signal();
      }
    });
  };
  EXPECT_EQ(wait_for_input(/*is_stopped_before=*/false), 128 + SIGTERM);
  EXPECT_EQ(wait_for_input(/*is_stopped_before=*/true), 100 + SIGINT);
  ::close(input[0]);
  ::close(input[1]);
}

TEST(StopSignal, AFileThatGrowsTooLargeIsAFailedWrite) {
  EXPECT_EQ(end_of([] {
              install_stop_handlers();
              const struct rlimit limit = {100, 100};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              std::FILE* file = std::tmpfile();
              const std::string text(1000, 'x');
              std::fwrite(text.data(), 1, text.size(), file);
              return std::fflush(file) != 0 && errno == EFBIG ? 7 : 0;
            }),
            7);
}

}  // namespace
}  // namespace apollo
