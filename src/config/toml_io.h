// RUN.toml in, resolved run.toml out.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "config/resolved_config.h"
#include "config/toml_source.h"

namespace apollo {

// Reads the config, then applies `overrides` ("train.lr=1e-3": a TOML value, or bare text where the
// key takes text). Every fault of form is added to `faults`; the keys concerned keep their
// defaults. Ranges are for validate().
ResolvedConfig read_run_config(const TomlSource& source, const std::vector<std::string>& overrides,
                               std::vector<Diagnostic>& faults);

// read_run_config() and validate() together; throws ConfigError with all faults of both. The keys
// of [progressive] that a method fills are still at their defaults: progressive/resolve.h has the
// whole way.
ResolvedConfig load_run_config(const TomlSource& source,
                               const std::vector<std::string>& overrides = {});

// All keys with their values, the origin of each as a comment. Reads back as the same config:
// data.base_dir is written out, so that the file may move.
std::string to_toml(const ResolvedConfig& resolved);

}  // namespace apollo
