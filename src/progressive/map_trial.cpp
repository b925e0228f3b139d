#include "progressive/map_trial.h"

#include <algorithm>
#include <set>
#include <utility>

#include "config/enum_names.h"
#include "config/fields.h"
#include "progressive/memory.h"

namespace apollo {

namespace {

// Layers before and after every growth from stage to stage.
std::vector<std::pair<int64_t, int64_t>> growths(const RunConfig::Progressive& keys) {
  std::vector<std::pair<int64_t, int64_t>> found;
  for (size_t i = 1; i < keys.stages.size(); ++i) {
    const int64_t before = keys.stages[i - 1].layers;
    const int64_t layers = keys.stages[i].layers;
    if (before >= 0 && layers > before) found.emplace_back(before, layers);
  }
  return found;
}

// False where a map cannot grow these layers, which is a fault of the stages (stage_faults.h).
bool has_trial(const RunConfig::Progressive& keys, int64_t source, int64_t target) {
  try {
    return !maps_to_try(keys, source, target).empty();
  } catch (const UsageError&) {
    return true;
  }
}

}  // namespace

std::vector<LayerMapKind> maps_to_try(const RunConfig::Progressive& keys, int64_t source,
                                      int64_t target) {
  if (keys.trial_steps == 0) return {};
  std::vector<LayerMapKind> kinds;
  std::set<LayerMap> seen;
  for (const LayerMapKind kind : keys.trial_maps) {
    if (seen.insert(growth_map(kind, source, target)).second) kinds.push_back(kind);
  }
  return kinds.size() > 1 ? kinds : std::vector<LayerMapKind>{};
}

double map_trial_bytes(const RunConfig& config, const ModelShape& shape) {
  double most = 0.0;
  for (const auto& [before, layers] : growths(config.progressive)) {
    if (maps_to_try(config.progressive, before, layers).empty()) continue;
    most = std::max(most, state_bytes(shape, before) + state_bytes(shape, layers));
  }
  return most;
}

std::vector<Diagnostic> map_trial_faults(const RunConfig& config) {
  const RunConfig::Progressive& keys = config.progressive;
  std::vector<Diagnostic> faults;
  if (keys.trial_steps == 0) return faults;
  const std::set<LayerMapKind> kinds(keys.trial_maps.begin(), keys.trial_maps.end());
  if (kinds.size() < 2 || kinds.size() < keys.trial_maps.size()) {
    faults.push_back({"progressive.trial_maps",
                      fmt::format("a trial needs at least two maps, each of them once (got {})",
                                  toml_text(keys.trial_maps)),
                      "trial_steps = 0 grows by layer_map without a trial"});
    return faults;
  }
  const auto all = growths(keys);
  if (std::none_of(all.begin(), all.end(),
                   [&](const auto& hop) { return has_trial(keys, hop.first, hop.second); })) {
    faults.push_back({"progressive.trial_steps",
                      fmt::format("no growth of this run has maps to choose from: {} give the same "
                                  "layers at each",
                                  toml_text(keys.trial_maps)),
                      "trial_steps = 0, or stages of which one grows from two layers or more"});
  }
  if (keys.trains == Trains::kNew) {
    faults.push_back({"progressive.trial_steps",
                      "a trial may put new layers between the others, where trains 'new' needs "
                      "them above: it needs trains 'all'",
                      ""});
  }
  if (keys.grow_when != GrowWhen::kSchedule && !kinds.contains(keys.layer_map)) {
    faults.push_back({"progressive.trial_maps",
                      fmt::format("grow_when '{}' looks at the loss after growth by layer_map, "
                                  "which must be one of the maps (got {} without '{}')",
                                  enum_name(keys.grow_when), toml_text(keys.trial_maps),
                                  enum_name(keys.layer_map)),
                      ""});
  }
  return faults;
}

}  // namespace apollo
