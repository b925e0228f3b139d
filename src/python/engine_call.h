// What surrounds every call from Python into the program. The interpreter's lock is released, one
// thread at a time is inside, SIGINT and SIGTERM raise the flag that long loops check, and a
// process that was forked from one that had already computed is refused.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <string>

#include "base/stop_signal.h"
#include "config/toml_source.h"
#include "python/open_call.h"

namespace apollo::python {

// Exclusive use by this thread, which may be nested: a callback of train() may score the model.
// Throws UsageError if another thread is inside, because the number of threads and the libraries
// are set per process, so runs would change each other's bits. Throws it too if the process was
// forked from one that had been inside, because the threads of its OpenMP were not forked.
class EngineLock {
 public:
  EngineLock();
  ~EngineLock();
  EngineLock(const EngineLock&) = delete;
  EngineLock& operator=(const EngineLock&) = delete;
};

// Needs the interpreter's lock at the beginning and at the end.
struct [[gnu::visibility("hidden")]] EngineCall {
  OpenCall open;
  EngineLock lock;
  StopScope stop;
  nb::gil_scoped_release released;
};

// The same without exclusion, for calls that do not touch LibTorch.
struct [[gnu::visibility("hidden")]] LightCall {
  OpenCall open;
  StopScope stop;
  nb::gil_scoped_release released;
};

// Turns the program's exceptions into those of apollo_lm.errors, with the command's text.
void translate_exceptions();

// Binds set_log_level("detail" | "info" | "warning" | "quiet"). Each of the two modules has its own
// log, except in a package, where they share the libraries.
void bind_log_level(nb::module_& module);

// Returns a config from Python: `text` if it is given, else the file `name`.
inline TomlSource toml_source(const std::string& name, const std::optional<std::string>& text) {
  return text ? TomlSource(name, *text) : TomlSource(name);
}

}  // namespace apollo::python
