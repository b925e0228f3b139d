// A config, together with the place from which each of its values came.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/run_config.h"

namespace apollo {

struct ResolvedConfig {
  RunConfig config;
  // Where each key was set ("demo.toml:12:6", "--set", "method apollo" or "model.size"), by its
  // path ("train.lr", also "progressive.stages[1].until"). A key without an entry has its default.
  std::map<std::string, std::string> origins;
  // Keys that were written but could not be read. They have their defaults, so faults of their
  // values are not reported.
  std::set<std::string> unreadable;
  std::filesystem::path file;      // as given
  std::filesystem::path base_dir;  // absolute; relative paths of [data] start here

  bool is_set(const std::string& path) const { return origins.contains(path); }
};

// Returns where a fault of the key `path` is: its place in the file, or the path itself.
std::string location(const ResolvedConfig& resolved, const std::string& path);

// Takes a fault whose `where` is a key; returns one that points into the file and names the key.
Diagnostic located(const ResolvedConfig& resolved, const Diagnostic& fault);

// Throws ConfigError with all `faults`, in the order of the file; faults without a place come last.
// Does nothing if there are none.
void throw_if_any(std::vector<Diagnostic> faults, const ResolvedConfig& resolved);

}  // namespace apollo
