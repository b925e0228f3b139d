#include "python/engine_call.h"

#include <unistd.h>

#include <nanobind/stl/string.h>

#include <csignal>
#include <mutex>
#include <new>
#include <thread>

#include "base/error.h"
#include "base/log.h"

namespace apollo::python {
namespace {

struct Holder {
  std::mutex mutex;
  std::thread::id thread;
  int depth = 0;
  pid_t process = 0;  // the process that was inside first
};

Holder& holder() {
  static Holder& only = *new Holder;
  return only;
}

// Raises an exception of apollo_lm.errors.
void raise(const char* name, const char* message) {
  const nb::object type = nb::module_::import_("apollo_lm.errors").attr(name);
  PyErr_SetString(type.ptr(), message);
}

// A command would end here with 128 + signal.
void raise_interrupted(const Interrupted& stop) {
  if (stop.signal() == SIGTERM) {
    PyErr_SetObject(PyExc_SystemExit, nb::int_(128 + SIGTERM).ptr());
    return;
  }
  // Python's own handler noted the signal too, and may raise an exception of its own.
  if (PyErr_CheckSignals() == 0) PyErr_SetNone(PyExc_KeyboardInterrupt);
}

// LibTorch's errors contain a backtrace, which does not help a user.
std::string without_backtrace(const std::exception& error) {
  const std::string message = error.what();
  return message.substr(0, message.find("\nException raised from "));
}

void translate(const std::exception_ptr& thrown, void* /*payload*/) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Interrupted& stop) {
    raise_interrupted(stop);
  } catch (const ConfigError& error) {
    raise("ConfigError", error.what());
  } catch (const UsageError& error) {
    raise("UsageError", error.what());
  } catch (const DataError& error) {
    raise("DataError", error.what());
  } catch (const CheckpointError& error) {
    raise("CheckpointError", error.what());
  } catch (const DivergedError& error) {
    raise("DivergedError", error.what());
  } catch (const nb::python_error&) {
    throw;  // Python's own, which nanobind passes on
  } catch (const nb::builtin_exception&) {
    throw;
  } catch (const std::bad_alloc&) {
    PyErr_SetString(PyExc_MemoryError, "out of memory; hint: a smaller train.micro_batch_size");
  } catch (const std::exception& error) {
    raise("ApolloError", without_backtrace(error).c_str());
  }
}

}  // namespace

EngineLock::EngineLock() {
  Holder& held = holder();
  const std::lock_guard lock(held.mutex);
  if (held.process == 0) held.process = ::getpid();
  if (held.process != ::getpid()) {
    fail<UsageError>(
        "this process was forked from one in which apollo had computed, and lacks its threads; "
        "hint: multiprocessing's start method 'spawn'");
  }
  if (held.depth > 0 && held.thread != std::this_thread::get_id()) {
    fail<UsageError>(
        "apollo computes in another thread of this process, and two would change each other's "
        "bits; hint: wait for it, or use a process of its own");
  }
  held.thread = std::this_thread::get_id();
  ++held.depth;
}

EngineLock::~EngineLock() {
  const std::lock_guard lock(holder().mutex);
  --holder().depth;
}

void bind_log_level(nb::module_& module) {
  module.def("set_log_level", [](const std::string& level) {
    if (level == "detail") return set_log_level(LogLevel::kDetail);
    if (level == "info") return set_log_level(LogLevel::kInfo);
    if (level == "warning") return set_log_level(LogLevel::kWarning);
    if (level == "quiet") return set_log_level(LogLevel::kQuiet);
    fail<UsageError>("level must be one of 'detail', 'info', 'warning', 'quiet' (got '{}')", level);
  });
}

void translate_exceptions() {
  nb::register_exception_translator(&translate);
}

}  // namespace apollo::python
