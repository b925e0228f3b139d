// Logs of runs: comparisons and pages.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "python/light_module.h"
#include "report/comparison.h"
#include "report/comparison_tables.h"
#include "report/page.h"
#include "report/run_history.h"
#include "report/tables.h"

namespace apollo::python {
namespace {

// Returns a comparison as JSON, as text and as an HTML page.
std::vector<std::string> compare(const std::vector<std::string>& runs, const std::string& baseline,
                                 const std::vector<std::string>& frontier, bool force) {
  const ShortCall call;
  CompareOptions options;
  options.baseline = baseline;
  options.frontier = frontier;
  options.force = force;
  const Comparison comparison = compare_folders({runs.begin(), runs.end()}, options);
  return {to_json(comparison).dump(), to_text(comparison_tables(comparison), comparison.notes),
          comparison_page(comparison)};
}

}  // namespace

void bind_report(nb::module_& module) {
  bind_log_level(module);
  module.def("compare", &compare);
  module.def("run_page", [](const std::string& run) {
    const ShortCall call;
    return run_page(read_run(run));
  });
}

}  // namespace apollo::python
