#include "base/stop_signal.h"

#include <unistd.h>

#include <csignal>

#include "base/error.h"

namespace apollo {
namespace {

volatile std::sig_atomic_t g_signal = 0;
volatile std::sig_atomic_t g_waiting = 0;

void on_signal(int signal) {
  g_signal = signal;
  if (g_waiting > 0) ::_exit(128 + signal);
  // The next one of the same kind acts as if there were no handler.
  std::signal(signal, SIG_DFL);
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

int stop_requested() {
  return g_signal;
}

void throw_if_stopped() {
  if (g_signal != 0) throw Interrupted(g_signal);
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
