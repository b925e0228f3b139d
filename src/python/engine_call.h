// What surrounds every call from Python into the program: the interpreter's lock is given up, one
// thread at a time is inside, SIGINT and SIGTERM raise the flag that long loops look at, and a
// process that was forked from one that had computed is refused.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <string>

#include "base/stop_signal.h"
#include "config/toml_source.h"
#include "python/open_call.h"

namespace apollo::python {

// Exclusive use by this thread, as often as it asks: a callback of train() may score the model.
// Throws UsageError where another thread is inside: numbers of threads and libraries are set for
// the process, so runs would change each other's bits; and where the process was forked from one
// that had been inside, since the threads of its OpenMP did not come along.
class EngineLock {
 public:
  EngineLock();
  ~EngineLock();
  EngineLock(const EngineLock&) = delete;
  EngineLock& operator=(const EngineLock&) = delete;
};

// With the interpreter's lock held at the beginning and at the end.
struct [[gnu::visibility("hidden")]] EngineCall {
  OpenCall open;
  EngineLock lock;
  StopScope stop;
  nb::gil_scoped_release released;
};

// The same without exclusion, for what does not touch LibTorch.
struct [[gnu::visibility("hidden")]] LightCall {
  OpenCall open;
  StopScope stop;
  nb::gil_scoped_release released;
};

// Turns the program's exceptions into those of apollo_lm.errors, with the command's text.
void translate_exceptions();

// set_log_level("detail" | "info" | "warning" | "quiet"). Each of the two modules has a log of its
// own, except in a package, where they share the libraries.
void bind_log_level(nb::module_& module);

// A config from Python: `text` where it is given, else the file `name`.
inline TomlSource toml_source(const std::string& name, const std::optional<std::string>& text) {
  return text ? TomlSource(name, *text) : TomlSource(name);
}

}  // namespace apollo::python
