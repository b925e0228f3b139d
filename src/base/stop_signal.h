// Turns SIGINT and SIGTERM into a flag that long loops check: train, eval, prepare, tokenizer
// training. A second signal of the same kind ends the program at once. If a file grows beyond the
// process's limit (SIGXFSZ), the write fails and no signal is raised.
#pragma once

namespace apollo {

// Starts catching signals; a signal that arrived before is forgotten.
void install_stop_handlers();
// Acts as if the signal had arrived, without calling a handler.
void request_stop(int signal);
// Returns the signal that arrived, or 0.
int stop_requested();
// Throws Interrupted if a signal arrived. For loops that have nothing to save.
void throw_if_stopped();

// The same for a while, in a process that belongs to somebody else. During its lifetime signals
// raise the flag, and the previous handlers are called too, as often as signals arrive. They are
// restored afterwards, unless others have replaced ours meanwhile. Scopes may nest; the outermost
// starts without a signal.
class StopScope {
 public:
  StopScope();
  ~StopScope();
  StopScope(const StopScope&) = delete;
  StopScope& operator=(const StopScope&) = delete;
};

// Lives while a program waits for input of unknown length (a terminal, a pipe) and has nothing to
// save. A signal then ends it at once with 128 + signal; otherwise the program would wait for a
// line first.
class WaitingForInput {
 public:
  WaitingForInput();
  ~WaitingForInput();
  WaitingForInput(const WaitingForInput&) = delete;
  WaitingForInput& operator=(const WaitingForInput&) = delete;
};

}  // namespace apollo
