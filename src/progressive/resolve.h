// Resolves a config: reads it, checks it and applies its method. `apollo train` and `apollo plan`
// start with this.
#pragma once

#include <string>
#include <vector>

#include "config/resolved_config.h"
#include "config/toml_source.h"

namespace apollo {

// Fills the keys of [progressive] that were not set with the method's, and sets the keys of [train]
// that it changes, with origin "method NAME". Throws UsageError for an unknown method.
void apply_method(ResolvedConfig& resolved);

// Runs read_run_config(), take_source(), take_size(), validate(), apply_method() and
// stage_faults(). Throws ConfigError with all faults, in the order of the file.
ResolvedConfig resolve_run_config(const TomlSource& source,
                                  const std::vector<std::string>& overrides = {});

}  // namespace apollo
