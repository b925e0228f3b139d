// The runs of a suite, each with its folder, its overrides and its FLOPs. They are checked before
// any of them starts, just as `apollo train` would check them.
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
  std::vector<std::string> choice;     // those of them that are tried or were chosen by tuning
  RunConfig config;                    // resolved, with the vocabulary of the data
  bool sets_threads = false;           // whether the base or the suite sets run.threads
  // Content hashes; empty if the suite is planned without its data, or if there is none.
  std::string train_data;
  std::string valid_data;
  std::string tokenizer;
  int64_t steps = 0;
  double flops = 0.0;  // 0: measured in hours, so unknown in advance

  std::string label() const;  // "gpt2/apollo, 5e12 flops, seed 1", with the choice
};

// One run of the suite for one model: first what is tried, then what is compared.
struct PlannedGroup {
  std::string model;
  std::string name;
  std::vector<PlannedRun> tuning;  // empty: nothing is tuned
  std::vector<PlannedRun> runs;    // if something is tuned, with the first values of the grid
};

struct SuitePlan {
  SuiteFile file;
  std::filesystem::path out;
  std::vector<PlannedRun> sources;   // models from which others start, so they come first
  std::vector<PlannedGroup> groups;  // model by model, in the order of the file

  // Visits every run in the order of training, together with its purpose: "source", "tune" or
  // "run".
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
  double flops() const;  // of everything, including sources and tuning
  int64_t num_runs() const;
  std::vector<std::string> frontier() const;  // the names of the runs with that role
  // Returns where the comparison of a model is written.
  std::filesystem::path model_folder(const std::string& model) const { return out / model; }
};

// Opens the data of every config, preparing it if necessary. Throws ConfigError with the faults of
// all runs, each once, pointing into SUITE.toml if the value is set there; throws DataError if data
// cannot be used.
SuitePlan plan_suite(SuiteFile file, const std::filesystem::path& out,
                     const SuitePlanOptions& options = {});

// Returns the same run with other values of the tuned keys.
PlannedRun with_choice(PlannedRun run, const std::vector<std::string>& choice);

}  // namespace apollo
