// The rival that a user would really take: a shallower model from scratch with the same FLOPs.
//
// The frontier is the least loss with which a model from scratch ends, over all depths that were
// tried, as a function of its FLOPs. Every learning rate has decayed to its end. Between two
// budgets of one depth the loss is linear in log FLOPs. A depth counts only as far as it was
// measured: if it was given up at small budgets, it says nothing about larger ones.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json_lines.h"
#include "base/spread.h"

namespace apollo {

struct Comparison;
struct RunGroup;

enum class Bound { kExact, kAtLeast, kAtMost };
// "exact", "at least", "at most".
std::string bound_name(Bound bound);

// A saving read between two curves of loss against budget.
struct BudgetSaving {
  double flops_saved = 0.0;
  Bound bound = Bound::kExact;
};

// The end of one run: a point of such a curve.
struct BudgetPoint {
  double flops = 0.0;
  double loss = 0.0;
};

// Returns what a run that ended at `point` saved against a baseline whose runs ended at `baseline`,
// in order of FLOPs; nullopt if these are fewer than two.
std::optional<BudgetSaving> budget_saving(const BudgetPoint& point,
                                          const std::vector<BudgetPoint>& baseline);

// The ends of the runs of one depth from scratch, in order of FLOPs; at least one.
struct FrontierCurve {
  std::string name;
  int64_t layers = 0;
  std::vector<BudgetPoint> ends;
};

// The same against the lower envelope of `curves`; nullopt if there are none. A single budget is
// enough for a bound.
std::optional<BudgetSaving> frontier_saving(const BudgetPoint& point,
                                            const std::vector<FrontierCurve>& curves);

// Returns the loss with which a run of `flops` FLOPs ends, linear in log FLOPs between budgets. A
// budget within 2 % of it is taken without interpolation. nullopt outside the budgets.
std::optional<double> loss_at_budget(const std::vector<BudgetPoint>& ends, double flops);

// A depth from scratch next to a group of runs, over its seeds.
struct FrontierRival {
  std::string name;
  int64_t layers = 0;
  Spread loss;        // at the FLOPs of each run of the group
  Spread difference;  // the run's loss minus this one, by seed
};

// What the frontier says about the runs of one name and budget.
struct FrontierSummary {
  std::optional<FrontierRival> shallower;  // the best with fewer layers than the runs end with
  std::optional<FrontierRival> best;       // the best of any depth
  std::optional<Spread> saved;             // FLOPs, over seeds
  Bound saved_bound = Bound::kExact;
  std::optional<Spread> same_depth_saved;
  Bound same_depth_bound = Bound::kExact;

  // Returns the verdict in words: "ends 0.0360 above the frontier (3 layers)".
  std::string verdict() const;
};

// The savings of several seeds as one; nothing if both kinds of bounds would be averaged.
struct MeanSaving {
  std::optional<Spread> spread;
  Bound bound = Bound::kExact;
};
MeanSaving mean_saving(const std::vector<BudgetSaving>& savings);

// Returns nullopt for a group that belongs to the frontier itself, and if there is no frontier.
std::optional<FrontierSummary> summarize_frontier(const Comparison& comparison,
                                                  const RunGroup& group);

// Returns the lower envelope, as means over seeds: {"name", "layers", "flops", "loss"} in order of
// FLOPs. It contains those ends of runs below which no other depth has an end or a curve.
Json frontier_json(const Comparison& comparison);

}  // namespace apollo
