// The rival that a user would really take: a shallower model from scratch for the same FLOPs.
//
// A frontier is the least loss with which a model from scratch ends, of any depth that was tried,
// over its FLOPs; every learning rate decayed to its end. Between two budgets of one depth log
// FLOPs are interpolated linearly in loss. A depth counts as far as it was measured: one that was
// given up as hopeless at small budgets says nothing about greater ones.
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

// End of one run: a point of such a curve.
struct BudgetPoint {
  double flops = 0.0;
  double loss = 0.0;
};

// What a run that ended at `point` saved against a baseline whose runs ended at `baseline`, of
// rising FLOPs; nullopt for fewer than two of these.
std::optional<BudgetSaving> budget_saving(const BudgetPoint& point,
                                          const std::vector<BudgetPoint>& baseline);

// The ends of one depth from scratch, of rising FLOPs and at least one.
struct FrontierCurve {
  std::string name;
  int64_t layers = 0;
  std::vector<BudgetPoint> ends;
};

// The same against the lower envelope of `curves`; nullopt where there are none. One budget is
// enough for a bound.
std::optional<BudgetSaving> frontier_saving(const BudgetPoint& point,
                                            const std::vector<FrontierCurve>& curves);

// The loss with which a run of these `flops` ends, linear in log FLOPs between budgets; a budget
// within 2 % of it is taken as it is. nullopt outside of the budgets.
std::optional<double> loss_at_budget(const std::vector<BudgetPoint>& ends, double flops);

// A depth from scratch beside a group of runs, over its seeds.
struct FrontierRival {
  std::string name;
  int64_t layers = 0;
  Spread loss;        // at the FLOPs of each run of the group
  Spread difference;  // of the run's loss to it, by seed
};

// What the frontier says of the runs of one name and budget.
struct FrontierSummary {
  std::optional<FrontierRival> shallower;  // the best of fewer layers than the runs end with
  std::optional<FrontierRival> best;       // of any depth
  std::optional<Spread> saved;             // FLOPs, over seeds
  Bound saved_bound = Bound::kExact;
  std::optional<Spread> same_depth_saved;
  Bound same_depth_bound = Bound::kExact;

  // In words: "ends 0.0360 above the frontier (3 layers)".
  std::string verdict() const;
};

// Savings of several seeds as one; nothing where bounds of both kinds would be averaged.
struct MeanSaving {
  std::optional<Spread> spread;
  Bound bound = Bound::kExact;
};
MeanSaving mean_saving(const std::vector<BudgetSaving>& savings);

// nullopt for a group that belongs to the frontier itself, and where there is no frontier.
std::optional<FrontierSummary> summarize_frontier(const Comparison& comparison,
                                                  const RunGroup& group);

// The lower envelope, mean over seeds: {"name", "layers", "flops", "loss"} by rising FLOPs, the
// ends of all depths that no other depth's end, or curve, is below of.
Json frontier_json(const Comparison& comparison);

}  // namespace apollo
