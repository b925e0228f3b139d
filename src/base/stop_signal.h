// SIGINT and SIGTERM as a flag that long loops look at: train, eval, prepare, tokenizer training.
// A second signal of the same kind ends the program at once. A file that grows beyond the limit of
// the process (SIGXFSZ) is a failed write and no signal.
#pragma once

namespace apollo {

// From here on; a signal that arrived before is forgotten.
void install_stop_handlers();
// As if the signal had arrived, without a handler being called.
void request_stop(int signal);
// The signal that arrived, or 0.
int stop_requested();
// Throws Interrupted when one arrived. For loops that have nothing to save.
void throw_if_stopped();

// The same for a while, in a process that is somebody else's: signals raise the flag in its
// lifetime, and the handlers that stood before are called too, as often as signals arrive. They
// stand again afterwards, unless others have taken their place meanwhile. Scopes may nest; the
// outermost begins without a signal.
class StopScope {
 public:
  StopScope();
  ~StopScope();
  StopScope(const StopScope&) = delete;
  StopScope& operator=(const StopScope&) = delete;
};

// Lives while a program waits for input of unknown length (a terminal, a pipe) and has nothing to
// save: a signal then ends it at once with 128 + signal, where it would else wait for a line first.
class WaitingForInput {
 public:
  WaitingForInput();
  ~WaitingForInput();
  WaitingForInput(const WaitingForInput&) = delete;
  WaitingForInput& operator=(const WaitingForInput&) = delete;
};

}  // namespace apollo
