// Reads RUN.toml and writes the resolved run.toml.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "config/resolved_config.h"
#include "config/toml_source.h"

namespace apollo {

// Reads the config, then applies `overrides` ("train.lr=1e-3": a TOML value, or bare text if the
// key takes text). Every fault of form is added to `faults`, and the key keeps its default. Ranges
// are checked by validate().
ResolvedConfig read_run_config(const TomlSource& source, const std::vector<std::string>& overrides,
                               std::vector<Diagnostic>& faults);

// Runs read_run_config() and validate(); throws ConfigError with all faults of both. The keys of
// [progressive] that a method fills still have their defaults: progressive/resolve.h does
// everything.
ResolvedConfig load_run_config(const TomlSource& source,
                               const std::vector<std::string>& overrides = {});

// Returns all keys with their values, and the origin of each as a comment. It reads back as the
// same config. It states data.base_dir, so that the file may be moved.
std::string to_toml(const ResolvedConfig& resolved);

}  // namespace apollo
