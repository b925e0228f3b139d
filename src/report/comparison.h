// Compares runs with a baseline and computes what each saved. comparable.h judges whether they may
// be compared.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json_lines.h"
#include "report/groups.h"
#include "report/power.h"
#include "report/run_history.h"
#include "report/savings.h"

namespace apollo {

struct ComparedRun {
  RunHistory history;
  std::string name;    // unique among the compared runs
  std::string group;   // shared by the seeds and budgets of one run: run.name
  std::string budget;  // train.duration
  bool is_baseline = false;
  bool is_frontier = false;  // from scratch, with one of the depths that make up the frontier
  // The baseline's run against which this one is measured: the one of the same seed and budget, or
  // the only one; for a run of the baseline it is the run itself. nullopt: there is none, and
  // savings are unknown.
  std::optional<size_t> pair;
  Evaluation final;  // the last one at full depth
  EqualLoss equal_loss;
  // Unique layers at the crossing for good, and the saving from the last growth on.
  std::optional<int64_t> layers_at_loss;
  std::optional<double> flops_saved_all_layers;
  EqualFlops equal_flops;
};

// A key of run.toml on which the runs disagree: one value per run, "" if the run has none.
struct ConfigDifference {
  std::string key;
  std::vector<std::string> values;
};

// One set of values that was tried before the compared runs were made.
struct TuningTrial {
  std::string group;
  std::string values;  // "train.lr=0.002"
  std::string budget;
  uint64_t seed = 0;
  std::optional<double> loss;
  std::string fault;  // why there is no loss
  bool is_best = false;
  std::string folder;
};

struct Comparison {
  std::vector<ComparedRun> runs;  // in the order given
  size_t baseline = 0;            // the first of the baseline's runs
  bool has_frontier = false;
  bool is_grouped = false;  // whether a run has several seeds or budgets
  std::vector<RunGroup> groups;
  std::vector<TuningTrial> tuning;  // of a suite
  PowerOptions power;
  std::vector<ConfigDifference> config_differences;
  std::vector<std::string> notes;  // what a reader of the numbers must know
};

struct CompareOptions {
  std::string baseline{};  // name or folder of one of the runs; empty: the first of method scratch,
                           // else the first
  // Names of runs from scratch, of any depth. Together with the baseline, if that is from scratch,
  // they are the frontier. Then the number of layers may differ between runs.
  std::vector<std::string> frontier{};
  bool force = false;  // compare incomparable runs, with a note
  PowerOptions power{};
};

// Throws UsageError for fewer than two runs, an unknown baseline, or runs that are not comparable
// (it names what differs), and DataError for a run without an evaluation at full depth.
Comparison compare_runs(std::vector<RunHistory> runs, const CompareOptions& options);

// Treats one run, without a comparison, as a group of one: costs and growths without savings.
Comparison single_run(const RunHistory& run);

// Reads the runs in `folders` and compares them. If the baseline is a run folder outside of
// `folders`, it is added as the first.
Comparison compare_folders(std::vector<std::filesystem::path> folders,
                           const CompareOptions& options);

// Returns {"baseline": NAME, "runs": [{"name", "final_loss", "flops", "wall_s", "equal_loss":
// {"loss", "flops_saved", "wall_saved", "tokens_saved", "flops_saved_for_good"}, "equal_flops":
// {"flops", "loss", "baseline_loss"}}]} and more; null if not reached or unknown. The runs include
// the baseline. "groups": the same over seeds, with each number as {"n", "mean", "std", "min",
// "max"}.
Json to_json(const Comparison& comparison);

// Returns what a reader of one run's numbers must know: still running, resumed, stopped early.
std::vector<std::string> run_notes(const RunHistory& run, const std::string& name);

}  // namespace apollo
