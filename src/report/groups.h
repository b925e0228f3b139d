// Runs that repeat each other: the same run with several seeds at one budget, and at several
// budgets. What a reader can trust is a mean with its spread, paired by seed. Each run is measured
// against the baseline's run of the same seed and budget, and the savings are averaged, so that
// shared luck cancels.
//
// At equal budget every learning rate has decayed to its end, so a saving cannot be read off one
// run's curve. It is read between two curves of final loss against FLOPs with one point per budget.
// It uses the FLOPs at which the baseline would have ended with the run's loss, by interpolating
// log FLOPs between the baseline's budgets. Beyond these budgets nothing is extrapolated, and the
// saving is a bound.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json_lines.h"
#include "base/spread.h"
#include "report/frontier.h"
#include "report/savings.h"

namespace apollo {

struct ComparedRun;
struct Comparison;

// What was saved at one level of loss.
struct SavingAtLoss {
  double loss = 0.0;
  Spread flops_saved;
};

struct GrowthSummary {
  int64_t from = 0;
  int64_t to = 0;
  Spread step;
  std::optional<Spread> loss_before;
  std::optional<Spread> loss_after;
  std::optional<Spread> jump;
  std::optional<Spread> gradient;  // gradient_rise() of each run
};

// The runs of one name and one budget, one per seed.
struct RunGroup {
  std::string name;
  std::string budget;        // "5e12 flops"
  std::vector<size_t> runs;  // indices into Comparison::runs
  bool is_baseline = false;

  // At the last full-depth evaluation; perplexity, bits per byte and accuracy if it has them.
  std::optional<Spread> final_loss;
  std::optional<Spread> test_loss;  // of the final models, if they were tested
  std::optional<Spread> ppl;
  std::optional<Spread> bpb;
  std::optional<Spread> accuracy;
  std::optional<Spread> flops;  // at the last evaluation, like all costs
  std::optional<Spread> wall_s;
  std::optional<Spread> tokens;
  std::optional<Spread> energy_j;
  std::optional<Spread> eval_flops;  // of the whole run

  // Equal loss, over the pairs that reached the baseline's loss.
  int64_t num_pairs = 0;
  int64_t num_reached = 0;
  std::optional<Spread> target_loss;
  std::optional<Spread> flops_saved;
  std::optional<Spread> wall_saved;
  std::optional<Spread> tokens_saved;
  std::optional<Spread> energy_saved;
  std::optional<Spread> flops_saved_for_good;  // over runs that did not rise above it again
  std::optional<Spread> wall_saved_for_good;
  std::optional<Spread> tokens_saved_for_good;
  std::optional<Spread> flops_saved_least;  // means of the ends of each seed's range
  std::optional<Spread> flops_saved_most;
  bool is_range = false;  // evaluations of at least one seed are too far apart for one number
  std::optional<Spread> layers_at_loss;
  std::optional<Spread> flops_saved_all_layers;
  std::vector<SavingAtLoss> saved_at_loss;  // by falling loss; levels that all pairs reached

  // Equal budget. Seeds of one budget are compared at their ends. Runs without repetitions may have
  // any length and are compared at the end of the shorter one.
  std::optional<Spread> common_flops;
  std::optional<Spread> common_loss;
  std::optional<Spread> common_baseline_loss;
  std::optional<Spread> loss_difference;  // run - baseline
  std::optional<Spread> budget_saved;     // over the runs with a saving, including bounds
  Bound budget_bound = Bound::kExact;

  std::optional<FrontierSummary> frontier;  // nullopt: no frontier, or part of it

  std::vector<GrowthSummary> growths;
};

// Returns the greatest gradient norm in the 20 steps after a growth divided by the median of the 20
// steps before it; nullopt if there are no such steps.
std::optional<double> gradient_rise(const RunHistory& run, const Growth& growth);

// Fills in group, budget and pair of every run of `comparison`, whose baseline is known, and names
// the runs of a group by seed and budget.
void pair_runs(Comparison& comparison);

// Returns the groups in the order of their first runs, from runs whose savings are known.
std::vector<RunGroup> group_runs(const Comparison& comparison);

Json to_json(const RunGroup& group, const Comparison& comparison);

}  // namespace apollo
