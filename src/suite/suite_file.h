// SUITE.toml as a typed struct: a grid of runs, seeds and budgets over one base config. Values for
// RUN.toml stay text here (`--set` takes them), but each was read once as the type of its key, so
// that a fault points into SUITE.toml.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/duration.h"

namespace apollo {

// A key of RUN.toml and a value in TOML syntax.
struct Setting {
  std::string key;
  std::string value;
  std::string where;  // "file:line:col"

  std::string text() const { return key + "=" + value; }
};

// The values of one key that are tried.
struct TuneKey {
  std::string key;
  std::vector<Setting> values;
};

// One [[source]]: a model that is trained first, once per seed, for the runs that start from it.
struct SuiteSource {
  std::string name;
  std::string where;
  std::vector<Setting> settings;
  std::optional<Duration> budget;  // nullopt: train.duration
};

// One [[run]]: a method with its settings, over all seeds and budgets.
struct SuiteRun {
  std::string name;
  std::string where;
  std::vector<Setting> settings;
  std::optional<std::vector<TuneKey>> tune;  // nullopt: the suite's; empty: none
  std::vector<uint64_t> seeds;               // empty: the suite's
  std::vector<Duration> budgets;             // empty: the model's, else the suite's
  std::string source;                        // name of a [[source]]; empty: none
  bool is_frontier =
      false;  // role = "frontier": from scratch, of a depth that the others must beat
};

// One [[model]]: all runs again with another base or other settings. Each model has its own
// comparison, because the losses of two models cannot be compared.
struct SuiteModel {
  std::string name;  // empty: of a suite without [[model]]
  std::string where;
  std::filesystem::path base;
  std::vector<Setting> settings;
  std::vector<Duration> budgets;  // empty: the suite's
  std::optional<Duration> tune_budget;
};

struct SuiteFile {
  std::filesystem::path path;
  std::string name;
  std::vector<uint64_t> seeds;    // empty: the base's seed
  std::vector<Duration> budgets;  // empty: train.duration of each run
  std::string baseline;           // name of a run
  int64_t jobs = 1;
  std::optional<uint64_t> tune_seed;    // default: the first seed of the run
  std::optional<Duration> tune_budget;  // default: the first budget of the run
  bool tune_each_budget = false;        // each with its own values, tried at that budget
  std::vector<Setting> settings;
  std::vector<TuneKey> tune;
  std::vector<SuiteModel> models;  // at least one
  std::vector<SuiteSource> sources;
  std::vector<SuiteRun> runs;  // at least one
};

// Throws ConfigError with every fault of the file.
SuiteFile read_suite_file(const std::filesystem::path& path);

}  // namespace apollo
