#include "python/open_call.h"

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>

#include "base/error.h"
#include "base/stop_signal.h"

namespace apollo::python {
namespace {

struct OpenCalls {
  const pid_t process = ::getpid();
  std::mutex mutex;
  std::condition_variable changed;
  int count = 0;
  bool ending = false;
};

// Never destroyed: a thread may be inside for as long as there is a process.
OpenCalls& open_calls() {
  static OpenCalls& only = *new OpenCalls;
  return only;
}

bool wait_a_little() {
  const nb::gil_scoped_release released;
  OpenCalls& open = open_calls();
  std::unique_lock lock(open.mutex);
  return open.changed.wait_for(lock, std::chrono::milliseconds(100),
                               [&] { return open.count == 0; });
}

void stop_and_wait() {
  OpenCalls& open = open_calls();
  // Those of the process that this one was forked from are not here.
  if (open.process != ::getpid()) return;
  {
    const std::lock_guard lock(open.mutex);
    open.ending = true;
    if (open.count == 0) return;
  }
  do {
    // Again and again: a call that was just beginning forgets what came before it.
    request_stop(SIGTERM);
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  } while (!wait_a_little());
}

}  // namespace

OpenCall::OpenCall() {
  OpenCalls& open = open_calls();
  const std::lock_guard lock(open.mutex);
  if (open.ending) fail<UsageError>("the interpreter is ending, and nothing is begun any more");
  ++open.count;
}

OpenCall::~OpenCall() {
  OpenCalls& open = open_calls();
  const std::lock_guard lock(open.mutex);
  --open.count;
  open.changed.notify_all();
}

void outlive_calls() {
  open_calls();
  nb::module_::import_("atexit").attr("register")(nb::cpp_function(&stop_and_wait));
}

}  // namespace apollo::python
