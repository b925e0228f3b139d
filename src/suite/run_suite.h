// A planned suite carried out: each run as a child process `apollo train`, some at once; what
// others begin from first, then what is tuned, then what is compared.
//
// A run folder says by itself how far its run is, so that stopping a suite at any moment and giving
// the same command again goes on: a run with an `end` row is passed over, another one is started
// and goes on from its latest checkpoint.
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
  std::string reason;  // of one that did not finish
  // At full depth, at the end; nullopt where the run has no such evaluation.
  std::optional<double> final_loss;
};

// What was tried for one run of the suite, and which values were taken.
struct TuningOutcome {
  std::string model;
  std::string name;
  std::vector<RunOutcome> tried;
  std::optional<size_t> best;  // of `tried`; nullopt: none finished
};

struct SuiteOutcome {
  std::vector<RunOutcome> sources;
  std::vector<TuningOutcome> tuning;
  std::vector<RunOutcome> runs;

  // All that failed or diverged. A value that diverged while it was tried is no failure: that is
  // what trying is for.
  std::vector<const RunOutcome*> failures() const;
};

struct SuiteOptions {
  int64_t jobs = 1;
  std::vector<std::string> program;  // what runs one: the words before `train`
};

// Throws Interrupted on a signal, after the children have saved and ended.
SuiteOutcome run_suite(const SuitePlan& plan, const SuiteOptions& options);

}  // namespace apollo
