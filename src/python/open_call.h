// The calls from Python that are running in the program, without the interpreter's lock. If the
// interpreter ended during such a call of another thread, it would kill that thread inside of C++
// and so abort the process. Instead it asks these calls to stop, as SIGTERM does, and waits for
// them.
#pragma once

#include <nanobind/nanobind.h>

namespace apollo::python {

namespace nb = nanobind;

// One such call. It begins and ends with the interpreter's lock held. Throws UsageError if the
// interpreter is already ending.
class OpenCall {
 public:
  OpenCall();
  ~OpenCall();
  OpenCall(const OpenCall&) = delete;
  OpenCall& operator=(const OpenCall&) = delete;
};

// A short call: it releases the interpreter's lock, and signals wait until it is over.
struct [[gnu::visibility("hidden")]] ShortCall {
  OpenCall open;
  nb::gil_scoped_release released;
};

// Makes the interpreter wait at its end for the calls of this module. Ctrl-C ends the waiting.
void outlive_calls();

}  // namespace apollo::python
