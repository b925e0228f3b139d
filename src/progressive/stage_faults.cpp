// Checks of one stage list: first each stage by itself, then the order of the ends where both are
// in one unit. Ends in different units are compared by the simulation (schedule.cpp).
#include "progressive/stage_faults.h"

#include <string>

namespace apollo {

namespace {

std::string stage_key(size_t index, const char* key) {
  return fmt::format("progressive.stages[{}].{}", index, key);
}

void check_layers(const RunConfig& config, size_t index, std::vector<Diagnostic>& faults) {
  const std::vector<StageSpec>& stages = config.progressive.stages;
  const int64_t layers = stages[index].layers;
  const std::string where = stage_key(index, "layers");
  const bool is_last = index + 1 == stages.size();
  if (layers < 1) {
    faults.push_back({where, fmt::format("a stage needs at least one layer (got {})", layers), ""});
  } else if (layers > config.model.layers) {
    faults.push_back({where,
                      fmt::format("a stage cannot have more layers than the model, {} (got {})",
                                  config.model.layers, layers),
                      "raise model.layers or lower the stage"});
  } else if (index > 0 && layers < stages[index - 1].layers) {
    faults.push_back({where,
                      fmt::format("stages cannot shrink: the stage before has {} layers (got {})",
                                  stages[index - 1].layers, layers),
                      "order the stages by their number of layers"});
  } else if (is_last && layers != config.model.layers) {
    faults.push_back({where,
                      fmt::format("the last stage must have all layers of the model, {} (got {})",
                                  config.model.layers, layers),
                      fmt::format("add a last stage {{layers = {}}}", config.model.layers)});
  }
}

void check_until(const RunConfig& config, size_t index, std::vector<Diagnostic>& faults) {
  const std::vector<StageSpec>& stages = config.progressive.stages;
  const std::optional<Duration>& until = stages[index].until;
  const std::string where = stage_key(index, "until");
  const bool is_last = index + 1 == stages.size();
  if (is_last) {
    if (until) {
      faults.push_back(
          {where, fmt::format("the last stage ends with the run (got '{}')", to_string(*until)),
           "leave its 'until' out"});
    }
    return;
  }
  if (!until) {
    faults.push_back(
        {where, "every stage but the last needs an end", "for example until = \"10%\""});
    return;
  }
  if (index > 0 && stages[index - 1].until && stages[index - 1].until->unit == until->unit &&
      until->value <= stages[index - 1].until->value) {
    faults.push_back({where,
                      fmt::format("stages must end one after the other: the stage before ends at "
                                  "'{}' (got '{}')",
                                  to_string(*stages[index - 1].until), to_string(*until)),
                      ""});
  } else if (until->value <= 0.0) {
    faults.push_back(
        {where, fmt::format("a stage must last longer than nothing (got '{}')", to_string(*until)),
         ""});
  }
  const Duration& run = config.train.duration;
  const bool of_run = until->unit == DurationUnit::kPercent;
  const double end = of_run ? 100.0 : run.value;
  if ((of_run || until->unit == run.unit) && until->value >= end) {
    faults.push_back({where,
                      fmt::format("ends with or after the run, which lasts '{}' (got '{}')",
                                  to_string(run), to_string(*until)),
                      "the last stage needs a part of the run for itself"});
  }
}

}  // namespace

std::vector<Diagnostic> stage_faults(const RunConfig& config) {
  std::vector<Diagnostic> faults;
  const std::vector<StageSpec>& stages = config.progressive.stages;
  if (stages.empty()) {
    faults.push_back({"progressive.stages", "a run needs at least one stage",
                      fmt::format("for example stages = [{{layers = {}}}]", config.model.layers)});
  }
  for (size_t i = 0; i < stages.size(); ++i) {
    check_layers(config, i, faults);
    check_until(config, i, faults);
  }
  if (config.train.duration.unit == DurationUnit::kPercent) {
    faults.push_back({"train.duration",
                      fmt::format("a run cannot last a share of itself (got '{}')",
                                  to_string(config.train.duration)),
                      "use steps, tokens, epochs, flops or hours"});
  } else if (config.train.duration.value <= 0.0) {
    faults.push_back({"train.duration",
                      fmt::format("a run must last longer than nothing (got '{}')",
                                  to_string(config.train.duration)),
                      ""});
  }
  return faults;
}

}  // namespace apollo
