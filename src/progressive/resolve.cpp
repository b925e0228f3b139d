#include "progressive/resolve.h"

#include <string_view>
#include <utility>

#include "arch/size_limits.h"
#include "config/fields.h"
#include "config/model_size.h"
#include "config/toml_io.h"
#include "config/validate.h"
#include "progressive/methods.h"
#include "progressive/source_model.h"
#include "progressive/stage_faults.h"

namespace apollo {

void apply_method(ResolvedConfig& resolved) {
  const Method& method = find_method(resolved.config.progressive.method);
  RunConfig filled = resolved.config;
  filled.progressive =
      method.fill(resolved.config.model.architecture, resolved.config.model.layers);
  // The number of steps of a run of hours is not known before it ran.
  if (seconds_of(resolved.config.train.duration)) {
    for (StageSpec& stage : filled.progressive.stages) {
      if (stage.until) stage.until->unit = DurationUnit::kPercent;
    }
  }
  filled.progressive.method = method.name;
  visit_progressive_fields(
      [&](const Field& field, auto& value, auto& method_value) {
        const std::string path = field.path();
        if (std::string_view(field.key) == "method" || resolved.is_set(path)) return;
        value = method_value;
        resolved.origins[path] = "method " + method.name;
      },
      resolved.config, filled);
  if (method.fill_train == nullptr) return;
  method.fill_train(filled.train);
  visit_train_fields(
      [&](const Field& field, auto& value, auto& method_value) {
        const std::string path = field.path();
        if (value == method_value || resolved.is_set(path)) return;
        value = method_value;
        resolved.origins[path] = "method " + method.name;
      },
      resolved.config, filled);
}

ResolvedConfig resolve_run_config(const TomlSource& source,
                                  const std::vector<std::string>& overrides) {
  std::vector<Diagnostic> faults;
  ResolvedConfig resolved = read_run_config(source, overrides, faults);
  take_source(resolved);
  for (Diagnostic& fault : take_size(resolved))
    faults.push_back(std::move(fault));
  for (Diagnostic& fault : validate(resolved))
    faults.push_back(std::move(fault));

  const int64_t layers = resolved.config.model.layers;
  bool stages_known = layers >= 1 && layers <= SizeLimits::kLayers;  // methods go over all of them
  for (const char* key :
       {"model.layers", "progressive.method", "progressive.stages", "train.duration"}) {
    stages_known &= !resolved.unreadable.contains(key);
  }
  if (stages_known) {
    try {
      apply_method(resolved);
      for (const Diagnostic& fault : stage_faults(resolved.config)) {
        faults.push_back(located(resolved, fault));
      }
      for (const Diagnostic& fault : source_key_faults(resolved.config)) {
        faults.push_back(located(resolved, fault));
      }
    } catch (const UsageError& error) {
      faults.push_back({location(resolved, "progressive.method"), error.what(), ""});
    }
  }
  throw_if_any(std::move(faults), resolved);
  return resolved;
}

}  // namespace apollo
