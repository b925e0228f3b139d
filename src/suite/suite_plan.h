// The runs of a suite, each with its folder, its overrides and its FLOPs, judged as `apollo train`
// would judge them before any of them starts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json_lines.h"
#include "config/resolved_config.h"
#include "suite/suite_file.h"

namespace apollo {

struct PlannedRun {
  std::string model;  // empty: of a suite without [[model]]
  std::string name;
  std::string budget;  // train.duration, "5e12 flops"
  uint64_t seed = 0;
  std::filesystem::path base;
  std::filesystem::path folder;
  std::vector<std::string> overrides;  // for `apollo train --set`
  std::vector<std::string> choice;     // of these, the values that are tried or were chosen
  RunConfig config;                    // resolved, with the vocabulary of the data
  bool sets_threads = false;           // run.threads was named by the base or the suite
  // Content hashes; empty where the suite is planned without its data, or there is none.
  std::string train_data;
  std::string valid_data;
  std::string tokenizer;
  int64_t steps = 0;
  double flops = 0.0;  // 0: measured in hours, not known ahead

  std::string label() const;  // "gpt2/apollo, 5e12 flops, seed 1", with the choice
};

// One run of the suite for one model: what is tried first, then what is compared.
struct PlannedGroup {
  std::string model;
  std::string name;
  std::vector<PlannedRun> tuning;  // empty: nothing is tuned
  std::vector<PlannedRun> runs;    // where something is tuned, with the first values of the grid
};

struct SuitePlan {
  SuiteFile file;
  std::filesystem::path out;
  std::vector<PlannedRun> sources;   // what others begin from, hence first
  std::vector<PlannedGroup> groups;  // model by model, in the order of the file

  double flops() const;  // of everything, sources and tuning included
  int64_t num_runs() const;
  std::vector<std::string> frontier() const;  // names of the runs of that role
  // Where the comparison of a model goes.
  std::filesystem::path model_folder(const std::string& model) const { return out / model; }
};

struct SuitePlanOptions {
  // Size of training data and vocabulary, where the suite is planned without its data; 0: open it.
  double tokens = 0.0;
  int64_t vocab_size = 0;
};

// Opens the data of every config (prepared where it was not yet). Throws ConfigError with the
// faults of all runs, each once, pointing into SUITE.toml where the value stands there; DataError
// where data cannot be used.
SuitePlan plan_suite(SuiteFile file, const std::filesystem::path& out,
                     const SuitePlanOptions& options = {});

// Some of a suite's cells; what is empty leaves all.
struct SuiteCells {
  std::vector<std::string> runs;
  std::vector<uint64_t> seeds;
  std::vector<std::string> budgets;  // "1e13 flops"

  bool any() const { return !runs.empty() || !seeds.empty() || !budgets.empty(); }
};

// Leaves these cells, with what is tuned and trained first for them: a cell is the same run whether
// the others are asked for or not. Throws UsageError for a name that is no run, a budget that is
// none, and where no run is left.
void keep_cells(SuitePlan& plan, const SuiteCells& cells);

// The same run with other values of the tuned keys.
PlannedRun with_choice(PlannedRun run, const std::vector<std::string>& choice);

// What `--dry-run` prints: every run with its steps and FLOPs.
std::string suite_plan_text(const SuitePlan& plan);
Json suite_plan_json(const SuitePlan& plan);

}  // namespace apollo
