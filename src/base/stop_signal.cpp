#include "base/stop_signal.h"

#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <iterator>
#include <mutex>

#include "base/error.h"

namespace apollo {
namespace {

volatile std::sig_atomic_t g_signal = 0;
volatile std::sig_atomic_t g_waiting = 0;

void on_signal(int signal) {
  g_signal = signal;
  if (g_waiting > 0) ::_exit(128 + signal);
  // The next signal of the same kind acts as if there were no handler.
  std::signal(signal, SIG_DFL);
}

constexpr int kSignals[] = {SIGINT, SIGTERM};
// The handlers before the outermost scope.
struct sigaction g_before[std::size(kSignals)];
int g_num_scopes = 0;
std::mutex g_scopes;  // guards these two

void on_signal_in_scope(int signal, siginfo_t* info, void* context) {
  g_signal = signal;
  const struct sigaction& before = g_before[signal == kSignals[0] ? 0 : 1];
  if ((before.sa_flags & SA_SIGINFO) != 0) {
    before.sa_sigaction(signal, info, context);
  } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(signal);
  }
}

bool is_ours(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == on_signal_in_scope;
}

}  // namespace

void install_stop_handlers() {
  g_signal = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGXFSZ, SIG_IGN);
}

void request_stop(int signal) {
  g_signal = signal;
}

int stop_requested() {
  return g_signal;
}

void throw_if_stopped() {
  if (g_signal != 0) throw Interrupted(g_signal);
}

StopScope::StopScope() {
  const std::lock_guard lock(g_scopes);
  if (g_num_scopes++ > 0) return;
  g_signal = 0;
  struct sigaction action {};
  action.sa_sigaction = on_signal_in_scope;
  action.sa_flags = SA_RESTART | SA_SIGINFO;
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    struct sigaction now {};
    sigaction(kSignals[i], nullptr, &now);
    if (is_ours(now)) continue;  // left standing by an earlier scope
    g_before[i] = now;
    sigaction(kSignals[i], &action, nullptr);
  }
}

StopScope::~StopScope() {
  const std::lock_guard lock(g_scopes);
  if (--g_num_scopes > 0) return;
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    struct sigaction now {};
    sigaction(kSignals[i], nullptr, &now);
    if (is_ours(now)) sigaction(kSignals[i], &g_before[i], nullptr);
  }
}

WaitingForInput::WaitingForInput() {
  g_waiting = g_waiting + 1;
  if (g_signal == 0) return;
  g_waiting = g_waiting - 1;
  throw Interrupted(g_signal);
}

WaitingForInput::~WaitingForInput() {
  g_waiting = g_waiting - 1;
}

}  // namespace apollo
