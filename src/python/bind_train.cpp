// Trains a run, as `apollo train` does.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "progressive/resolve.h"
#include "python/engine_module.h"
#include "report/page.h"
#include "train/trainer.h"

namespace apollo::python {
namespace {

// The user's hook asked to stop.
struct StoppedByHook {};

// Passes a row to `hook` as JSON text. Python's own signal handlers run here too: an exception of
// theirs stops the run like one of the hook.
void call_hook(const nb::object& hook, const Json& row) {
  const nb::gil_scoped_acquire acquired;
  // The trainer itself handles SIGINT and SIGTERM.
  if (stop_requested() == 0 && PyErr_CheckSignals() != 0) throw nb::python_error();
  if (hook.is_none()) return;
  if (hook(row.dump()).ptr() == Py_False) throw StoppedByHook();
}

// Trains to the end and writes the report's page. Returns the run's folder and whether the run has
// ended.
std::pair<std::string, bool> train(const std::string& name, const std::optional<std::string>& text,
                                   const std::vector<std::string>& overrides,
                                   const std::string& out, const nb::object& hook) {
  const EngineCall call;
  ResolvedConfig resolved = resolve_run_config(toml_source(name, text), overrides);
  const std::filesystem::path dir = out.empty()
                                        ? std::filesystem::path("runs") / resolved.config.run.name
                                        : std::filesystem::path(out);
  Trainer trainer(open_run(std::move(resolved), dir));
  trainer.on_row([&](const Json& row) { call_hook(hook, row); });
  bool finished = true;
  try {
    trainer.run();
  } catch (const StoppedByHook&) {
    finished = trainer.opened().schedule->finished(trainer.opened().state.position);
  }
  if (trainer.opened().workers->leads()) write_run_report(dir);
  return {dir.string(), finished};
}

}  // namespace

void bind_train(nb::module_& module) {
  module.def("train", &train, nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg().none());
}

}  // namespace apollo::python
