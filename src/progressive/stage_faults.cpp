// Checks [progressive] before the data is known: each stage by itself, and the order of the ends as
// far as their units allow. Once the data is known, Schedule calls check_stage_end() again with
// tokens and epochs converted to steps. What is left, steps against FLOPs, is compared by its
// simulation.
#include "progressive/stage_faults.h"

#include <string>
#include <utility>

#include "config/enum_names.h"
#include "progressive/layer_map.h"

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
  if (layers < 0 || (layers == 0 && config.progressive.new_layers != NewLayers::kRandom)) {
    faults.push_back({where, fmt::format("a stage needs at least one layer (got {})", layers),
                      "with new_layers = \"random\" a run can begin with none"});
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

// Checks that the layers can be made from those of the stage before.
void check_growth(const RunConfig& config, size_t index, std::vector<Diagnostic>& faults) {
  if (index == 0) return;
  const RunConfig::Progressive& keys = config.progressive;
  const int64_t before = keys.stages[index - 1].layers;
  const int64_t layers = keys.stages[index].layers;
  if (before < 0 || layers <= before) return;
  try {
    growth_map(keys.layer_map, before, layers);
  } catch (const UsageError& error) {
    faults.push_back({stage_key(index, "layers"), error.what(),
                      "other numbers of layers, or layer_map = \"interpolate\" or \"stack\""});
  }
}

void check_depth(const RunConfig& config, size_t index, std::vector<Diagnostic>& faults) {
  const StageSpec& stage = config.progressive.stages[index];
  if (!stage.depth || stage.layers < 0) return;
  const std::string where = stage_key(index, "depth");
  if (*stage.depth < 2 || *stage.depth > stage.layers) {
    faults.push_back(
        {where,
         fmt::format("a subnetwork has at least the first and the last and at most all {} layers "
                     "of its stage (got {})",
                     stage.layers, *stage.depth),
         ""});
  } else if (config.progressive.depth_sampler != DepthSamplerKind::kShallowest) {
    faults.push_back({where,
                      fmt::format("subnetworks share no layers: they need depth_sampler "
                                  "'shallowest' (got '{}')",
                                  enum_name(config.progressive.depth_sampler)),
                      ""});
  } else if (config.progressive.trains == Trains::kNew) {
    faults.push_back({where, "subnetworks train all of their layers: they need trains 'all'", ""});
  }
}

// Keys that do not go together.
void check_combinations(const RunConfig& config, std::vector<Diagnostic>& faults) {
  const RunConfig::Progressive& keys = config.progressive;
  const bool shares = keys.depth_sampler != DepthSamplerKind::kShallowest;
  if (shares && !shares_as_it_grows(keys.layer_map)) {
    faults.push_back({"progressive.depth_sampler",
                      fmt::format("'{}' makes passes share layers, for which layer_map must be "
                                  "'interpolate' or 'stack' (got '{}')",
                                  enum_name(keys.depth_sampler), enum_name(keys.layer_map)),
                      "depth_sampler = \"shallowest\" shares none"});
  }
  if (keys.trains == Trains::kNew && (shares || keys.layer_map != LayerMapKind::kStack)) {
    faults.push_back({"progressive.trains",
                      fmt::format("'new' needs new layers above all others and no sharing: "
                                  "layer_map 'stack' and depth_sampler 'shallowest' (got '{}' and "
                                  "'{}')",
                                  enum_name(keys.layer_map), enum_name(keys.depth_sampler)),
                      ""});
  }
  if (config.train.micro_batch_by_depth && keys.depth_draw == DepthDraw::kMicroBatch) {
    faults.push_back({"train.micro_batch_by_depth",
                      "needs the depth of a step before its passes, for which depth_draw must be "
                      "'step' (got 'micro_batch')",
                      ""});
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
  if (until->value <= 0.0) {
    faults.push_back(
        {where, fmt::format("a stage must last longer than nothing (got '{}')", to_string(*until)),
         ""});
    return;
  }
  const Duration& run = config.train.duration;
  check_stage_end(
      config, index,
      [&](const Duration& length) -> PlaceInRun {
        const bool of_run = length.unit == DurationUnit::kPercent;
        return {static_cast<int>(of_run ? run.unit : length.unit),
                of_run ? run.value * length.value / 100.0 : length.value};
      },
      faults);
}

}  // namespace

void check_stage_end(const RunConfig& config, size_t index, const PlaceOf& place_of,
                     std::vector<Diagnostic>& faults) {
  const std::vector<StageSpec>& stages = config.progressive.stages;
  const std::optional<Duration>& until = stages[index].until;
  if (!until) return;
  const std::string where = stage_key(index, "until");
  const Duration& run = config.train.duration;
  const PlaceInRun end = place_of(*until);
  const PlaceInRun run_end = place_of(run);
  if (index > 0 && stages[index - 1].until) {
    const Duration& before = *stages[index - 1].until;
    const PlaceInRun place_before = place_of(before);
    // Ends that differ may fall on one step; such a stage is skipped.
    if (end.axis == place_before.axis && (end.value < place_before.value || *until == before)) {
      faults.push_back({where,
                        fmt::format("stages must end one after the other: the stage before ends at "
                                    "'{}' (got '{}')",
                                    to_string(before), to_string(*until)),
                        ""});
    }
  }
  if (end.axis == run_end.axis && end.value >= run_end.value) {
    faults.push_back({where,
                      fmt::format("ends with or after the run, which lasts '{}' (got '{}')",
                                  to_string(run), to_string(*until)),
                      "the last stage needs a part of the run for itself"});
  }
}

std::vector<Diagnostic> stage_faults(const RunConfig& config) {
  std::vector<Diagnostic> faults;
  const std::vector<StageSpec>& stages = config.progressive.stages;
  if (stages.empty()) {
    faults.push_back({"progressive.stages", "a run needs at least one stage",
                      fmt::format("for example stages = [{{layers = {}}}]", config.model.layers)});
  }
  for (size_t i = 0; i < stages.size(); ++i) {
    check_layers(config, i, faults);
    check_growth(config, i, faults);
    check_depth(config, i, faults);
    check_until(config, i, faults);
  }
  check_combinations(config, faults);
  if (is_share(config.train.duration)) {
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
