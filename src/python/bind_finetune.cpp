// Learns a task from tables, as `apollo finetune` does.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "finetune/finetune.h"
#include "model/model.h"
#include "python/engine_module.h"
#include "python/thread_scope.h"

namespace apollo::python {
namespace {

// Returns results.json, and the folder that contains it.
std::vector<std::string> finetune_task(const std::string& checkpoint, const std::string& name,
                                       const std::optional<std::string>& text,
                                       const std::vector<std::string>& overrides,
                                       const std::string& out, bool random_weights,
                                       const std::string& device, int64_t threads) {
  const EngineCall call;
  const ThreadScope scope(threads);
  const ResolvedTask task = load_task(toml_source(name, text), overrides);
  FinetuneOptions options;
  options.checkpoint = checkpoint;
  options.out = out.empty() ? std::filesystem::path("runs") / ("finetune-" + task.config.task.name)
                            : std::filesystem::path(out);
  options.random_weights = random_weights;
  options.device = find_device(device);
  const FinetuneResults results = finetune(task, options);
  return {to_json(results, task.config.train).dump(), options.out.string()};
}

}  // namespace

void bind_finetune(nb::module_& module) {
  module.def("finetune", &finetune_task, nb::arg(), nb::arg(), nb::arg().none(), nb::arg(),
             nb::arg(), nb::arg(), nb::arg(), nb::arg());
}

}  // namespace apollo::python
