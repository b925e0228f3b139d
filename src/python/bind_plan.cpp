// Configs, plans, and the decisions of a schedule step by step.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "base/error.h"
#include "cli/plan_file.h"
#include "config/enum_names.h"
#include "config/fields.h"
#include "config/toml_io.h"
#include "progressive/layer_map.h"
#include "progressive/plan_processes.h"
#include "progressive/resolve.h"
#include "progressive/schedule.h"
#include "python/light_module.h"

namespace apollo::python {
namespace {

using Overrides = std::vector<std::string>;

std::string plan(const std::string& name, const std::optional<std::string>& text,
                 const Overrides& overrides, int64_t tokens, int64_t vocab_size,
                 double flops_per_second, int64_t processes) {
  const LightCall call;
  const ResolvedConfig resolved = resolve_run_config(toml_source(name, text), overrides);
  const RunPlan plan =
      plan_file(resolved, {tokens, vocab_size}, rate_or_last(flops_per_second, resolved.config));
  Json json = plan_json(plan);
  json["shared"] = shared_json(plan_processes(plan, processes));
  return json.dump();
}

std::string resolve(const std::string& name, const std::optional<std::string>& text,
                    const Overrides& overrides) {
  return to_toml(resolve_run_config(toml_source(name, text), overrides));
}

// Walks along a run without training it. To go back, it starts over.
class ScheduleWalk {
 public:
  ScheduleWalk(const ResolvedConfig& resolved, const DataSize& size)
      : config_(resolved.config), schedule_(make(resolved, size)) {
    if (schedule_.total_steps() == 0) {
      fail<UsageError>(
          "the length of the run or of a stage is in hours, so its steps are not known ahead; "
          "hint: train.duration and stages in steps, tokens, epochs or flops");
    }
  }

  int64_t num_steps() const { return schedule_.total_steps(); }

  // Returns what happens before and in step `step` (from 0).
  nb::dict at(int64_t step) {
    if (step < 0 || step >= num_steps()) {
      throw nb::index_error(
          fmt::format("step {} of a schedule of {} steps", step, num_steps()).c_str());
    }
    if (step < position_.step) {
      position_ = {};
      stage_ = {};
    }
    while (position_.step < step)
      advance();
    StageState stage = stage_;
    schedule_.advance(position_, stage);
    const StepPlan plan = schedule_.plan_step(position_, stage);
    const auto layers = [this](const StageState& state) {
      return schedule_.stages()[static_cast<size_t>(state.index)].layers;
    };
    nb::dict found;
    found["step"] = step;
    found["stage"] = stage.index;
    found["layers"] = layers(stage);
    found["lr"] = plan.lr;
    found["flops"] = plan.flops;
    nb::list passes;
    for (const PassPlan& pass : plan.passes)
      passes.append(nb::cast(pass.blocks));
    found["passes"] = passes;
    const bool grows = step > 0 && layers(stage) != layers(stage_);
    found["grow"] =
        grows ? nb::cast(growth_map(config_.progressive.layer_map, layers(stage_), layers(stage)))
              : nb::none();
    return found;
  }

  // Returns why a trainer that only arranges and copies layers cannot follow, or an empty text.
  std::string beyond_layers() const {
    const RunConfig::Progressive& keys = config_.progressive;
    const RunConfig::Progressive plain;
    const auto differs = [](const char* key) {
      return fmt::format("progressive.{} asks for more than arranging and copying layers", key);
    };
    if (keys.new_layers != NewLayers::kCopy) return differs("new_layers");
    if (keys.optimizer_state != plain.optimizer_state) return differs("optimizer_state");
    if (keys.depth_draw != DepthDraw::kStep) return differs("depth_draw");
    if (!config_.model.from.empty())
      return "model.from asks for more than arranging and copying layers";
    for (int64_t i = 0; i < std::ssize(schedule_.stages()); ++i) {
      if (schedule_.stages()[static_cast<size_t>(i)].frozen > 0) return differs("frozen layers");
    }
    return "";
  }

 private:
  static Schedule make(const ResolvedConfig& resolved, const DataSize& size) {
    const PlannedData data = plan_data(resolved, size);
    return {resolved.config, data.shape, data.sequences};
  }

  // Advances by one step.
  void advance() {
    schedule_.advance(position_, stage_);
    position_.flops += schedule_.plan_step(position_, stage_).flops;
    position_.step += 1;
  }

  RunConfig config_;
  Schedule schedule_;
  RunPosition position_;
  StageState stage_;  // of the previous step
};

ScheduleWalk make_schedule(const std::string& name, const std::optional<std::string>& text,
                           const Overrides& overrides, int64_t tokens, int64_t vocab_size) {
  const LightCall call;
  return {resolve_run_config(toml_source(name, text), overrides), {tokens, vocab_size}};
}

LayerMap named_growth_map(const std::string& kind, int64_t source, int64_t target) {
  return growth_map(parse_enum<LayerMapKind>(kind, "map"), source, target);
}

LayerMap named_sharing_map(const std::string& kind, int64_t unique, int64_t depth) {
  return sharing_map(parse_enum<LayerMapKind>(kind, "map"), unique, depth);
}

}  // namespace

void bind_plan(nb::module_& module) {
  module.def("plan", &plan, nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
             nb::arg());
  module.def("resolve", &resolve, nb::arg(), nb::arg().none(), nb::arg());
  module.def("config_reference", &config_reference);
  nb::class_<ScheduleWalk>(module, "Schedule")
      .def("__len__", &ScheduleWalk::num_steps)
      .def("at", &ScheduleWalk::at)
      .def("beyond_layers", &ScheduleWalk::beyond_layers);
  module.def("make_schedule", &make_schedule, nb::arg(), nb::arg().none(), nb::arg(), nb::arg(),
             nb::arg());
  module.def("growth_map", &named_growth_map);
  module.def("sharing_map", &named_sharing_map);
}

}  // namespace apollo::python
