// The calls from Python that are in the program, without the interpreter's lock. An interpreter
// that ends while another thread is in one would kill that thread in the midst of C++, which ends
// the process; so its end asks them to stop, as SIGTERM does, and waits.
#pragma once

#include <nanobind/nanobind.h>

namespace apollo::python {

namespace nb = nanobind;

// One of them. Made and ended with the interpreter's lock held. Throws UsageError where the
// interpreter is ending already.
class OpenCall {
 public:
  OpenCall();
  ~OpenCall();
  OpenCall(const OpenCall&) = delete;
  OpenCall& operator=(const OpenCall&) = delete;
};

// One that is short: the interpreter's lock is given up, and signals wait until it is over.
struct [[gnu::visibility("hidden")]] ShortCall {
  OpenCall open;
  nb::gil_scoped_release released;
};

// Has the interpreter's end wait for the calls of this module. Ctrl-C ends the waiting.
void outlive_calls();

}  // namespace apollo::python
