// A whole config: read, judged, its method applied. What `apollo train` and `apollo plan` begin
// with.
#pragma once

#include <string>
#include <vector>

#include "config/resolved_config.h"
#include "config/toml_source.h"

namespace apollo {

// Fills the keys of [progressive] that were not set with those of the method, and those of [train]
// that it changes, origin "method NAME". Throws UsageError for an unknown method.
void apply_method(ResolvedConfig& resolved);

// read_run_config(), validate(), apply_method() and stage_faults() in one; throws ConfigError with
// the faults of all, in the order of the file.
ResolvedConfig resolve_run_config(const TomlSource& source,
                                  const std::vector<std::string>& overrides = {});

}  // namespace apollo
