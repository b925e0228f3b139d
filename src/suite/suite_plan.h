// The runs of a suite, each with its folder, its overrides and its FLOPs, judged as `apollo train`
// would judge them before any of them starts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "config/resolved_config.h"
#include "suite/planned_data.h"
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

  // Visits every run, in the order in which they are trained, with what it is for: "source", "tune"
  // or "run".
  template <class Visitor>
  void for_each_run(Visitor visit) const {
    for (const PlannedRun& run : sources)
      visit(run, "source");
    for (const PlannedGroup& group : groups) {
      for (const PlannedRun& run : group.tuning)
        visit(run, "tune");
      for (const PlannedRun& run : group.runs)
        visit(run, "run");
    }
  }
  double flops() const;  // of everything, sources and tuning included
  int64_t num_runs() const;
  std::vector<std::string> frontier() const;  // names of the runs of that role
  // Where the comparison of a model goes.
  std::filesystem::path model_folder(const std::string& model) const { return out / model; }
};

// Opens the data of every config (prepared where it was not yet). Throws ConfigError with the
// faults of all runs, each once, pointing into SUITE.toml where the value stands there; DataError
// where data cannot be used.
SuitePlan plan_suite(SuiteFile file, const std::filesystem::path& out,
                     const SuitePlanOptions& options = {});

// The same run with other values of the tuned keys.
PlannedRun with_choice(PlannedRun run, const std::vector<std::string>& choice);

}  // namespace apollo
