// Carries out a planned suite: each run is a child process `apollo train`, and several run at once.
// First come the models from which others start, then tuning, then the runs to be compared.
//
// A run folder states how far its run has come. So a suite may be stopped at any moment, and the
// same command continues it: a run with an `end` row is skipped, and any other continues from its
// latest checkpoint.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "suite/suite_plan.h"

namespace apollo {

enum class RunStatus { kFinished, kDiverged, kFailed };

struct RunOutcome {
  PlannedRun run;
  RunStatus status = RunStatus::kFailed;
  std::string reason;  // why it did not finish
  // At full depth, at the end; nullopt if the run has no such evaluation.
  std::optional<double> final_loss;
};

// What was tried for one run of the suite, and which values were chosen.
struct TuningOutcome {
  std::string model;
  std::string name;
  std::vector<RunOutcome> tried;
  std::optional<size_t> best;  // index into `tried`; nullopt: none finished
};

struct SuiteOutcome {
  std::vector<RunOutcome> sources;
  std::vector<TuningOutcome> tuning;
  std::vector<RunOutcome> runs;

  // All runs that failed or diverged. A value that diverged during tuning is not a failure: finding
  // that out is the purpose of tuning.
  std::vector<const RunOutcome*> failures() const;
};

struct SuiteOptions {
  int64_t jobs = 1;
  std::vector<std::string> program;  // the program that runs one: the words before `train`
};

// Throws Interrupted on a signal, after the children have saved and ended.
SuiteOutcome run_suite(const SuitePlan& plan, const SuiteOptions& options);

}  // namespace apollo
