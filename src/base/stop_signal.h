// SIGINT and SIGTERM as a flag that long loops look at: train, eval, prepare, tokenizer training.
// A second signal of the same kind ends the program at once.
#pragma once

namespace apollo {

// From here on; a signal that arrived before is forgotten.
void install_stop_handlers();
// The signal that arrived, or 0.
int stop_requested();
// Throws Interrupted when one arrived. For loops that have nothing to save.
void throw_if_stopped();

}  // namespace apollo
