#include "report/frontier.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "report/comparison.h"

namespace apollo {
namespace {

constexpr double kSameBudget = 0.02;  // as a share of its FLOPs

BudgetPoint end_of(const ComparedRun& run) {
  return {run.final.cost.flops, run.final.loss};
}

// The FLOPs with which a curve ends at a loss, or a bound of them beyond its budgets.
struct NeededFlops {
  double flops = 0.0;
  Bound bound = Bound::kExact;
};

NeededFlops needed_flops(double loss, const std::vector<BudgetPoint>& ends) {
  if (loss > ends.front().loss) return {ends.front().flops, Bound::kAtMost};
  const auto below = std::find_if(ends.begin(), ends.end(),
                                  [&](const BudgetPoint& end) { return end.loss <= loss; });
  if (below == ends.end()) return {ends.back().flops, Bound::kAtLeast};
  if (below == ends.begin()) return {below->flops, Bound::kExact};
  const BudgetPoint& above = *(below - 1);
  const double share = (above.loss - loss) / (above.loss - below->loss);
  return {std::exp(std::lerp(std::log(above.flops), std::log(below->flops), share)), Bound::kExact};
}

BudgetSaving saving_of(const BudgetPoint& point, const NeededFlops& needed) {
  return {1.0 - point.flops / needed.flops, needed.bound};
}

// Returns the from-scratch depths of one seed.
std::vector<FrontierCurve> curves_of_seed(const Comparison& comparison, uint64_t seed) {
  std::vector<FrontierCurve> curves;
  for (const ComparedRun& run : comparison.runs) {
    if (!run.is_frontier || run.history.info.seed != seed) continue;
    auto same = std::find_if(curves.begin(), curves.end(),
                             [&](const FrontierCurve& curve) { return curve.name == run.group; });
    if (same == curves.end())
      same = curves.insert(curves.end(), {run.group, run.history.info.layers, {}});
    same->ends.push_back(end_of(run));
  }
  for (FrontierCurve& curve : curves) {
    std::sort(curve.ends.begin(), curve.ends.end(),
              [](const BudgetPoint& a, const BudgetPoint& b) { return a.flops < b.flops; });
  }
  return curves;
}

// Returns the rival with the least mean loss, among those that can be compared with every run of
// `group`.
template <class Admit>
std::optional<FrontierRival> best_rival(const Comparison& comparison, const RunGroup& group,
                                        Admit admit) {
  std::optional<FrontierRival> best;
  const uint64_t first_seed = comparison.runs[group.runs.front()].history.info.seed;
  for (const FrontierCurve& candidate : curves_of_seed(comparison, first_seed)) {
    if (!admit(candidate)) continue;
    std::vector<double> losses;
    std::vector<double> differences;
    for (const size_t index : group.runs) {
      const ComparedRun& run = comparison.runs[index];
      for (const FrontierCurve& curve : curves_of_seed(comparison, run.history.info.seed)) {
        if (curve.name != candidate.name) continue;
        const auto loss = loss_at_budget(curve.ends, run.final.cost.flops);
        if (!loss) continue;
        losses.push_back(*loss);
        differences.push_back(run.final.loss - *loss);
      }
    }
    if (losses.size() != group.runs.size()) continue;
    const Spread loss = *spread_of(losses);
    if (best && best->loss.mean <= loss.mean) continue;
    best = FrontierRival{candidate.name, candidate.layers, loss, *spread_of(differences)};
  }
  return best;
}

}  // namespace

std::string bound_name(Bound bound) {
  constexpr const char* kNames[] = {"exact", "at least", "at most"};
  return kNames[static_cast<int>(bound)];
}

std::optional<BudgetSaving> budget_saving(const BudgetPoint& point,
                                          const std::vector<BudgetPoint>& baseline) {
  if (baseline.size() < 2) return std::nullopt;
  return saving_of(point, needed_flops(point.loss, baseline));
}

std::optional<BudgetSaving> frontier_saving(const BudgetPoint& point,
                                            const std::vector<FrontierCurve>& curves) {
  std::optional<NeededFlops> reached;
  double greatest = 0.0;
  for (const FrontierCurve& curve : curves) {
    const NeededFlops needed = needed_flops(point.loss, curve.ends);
    greatest = std::max(greatest, curve.ends.back().flops);
    if (needed.bound == Bound::kAtLeast) continue;
    const bool is_less = !reached || needed.flops < reached->flops ||
                         (needed.flops == reached->flops && needed.bound == Bound::kExact);
    if (is_less) reached = needed;
  }
  if (curves.empty()) return std::nullopt;
  return saving_of(point, reached.value_or(NeededFlops{greatest, Bound::kAtLeast}));
}

std::optional<double> loss_at_budget(const std::vector<BudgetPoint>& ends, double flops) {
  const auto nearest =
      std::min_element(ends.begin(), ends.end(), [&](const BudgetPoint& a, const BudgetPoint& b) {
        return std::abs(a.flops - flops) < std::abs(b.flops - flops);
      });
  if (nearest == ends.end()) return std::nullopt;
  if (std::abs(nearest->flops - flops) <= kSameBudget * flops) return nearest->loss;
  const auto after = std::find_if(ends.begin(), ends.end(),
                                  [&](const BudgetPoint& end) { return end.flops >= flops; });
  if (after == ends.begin() || after == ends.end()) return std::nullopt;
  const BudgetPoint& before = *(after - 1);
  const double share = std::log(flops / before.flops) / std::log(after->flops / before.flops);
  return std::lerp(before.loss, after->loss, share);
}

std::string FrontierSummary::verdict() const {
  if (!best) return "not known";
  const double difference = best->difference.mean;
  if (difference == 0.0) return "ends on the frontier";
  return fmt::format("ends {:.4f} {} the frontier", std::abs(difference),
                     difference > 0.0 ? "above" : "below");
}

MeanSaving mean_saving(const std::vector<BudgetSaving>& savings) {
  std::vector<double> values;
  std::set<Bound> bounds;
  for (const BudgetSaving& saving : savings) {
    values.push_back(saving.flops_saved);
    if (saving.bound != Bound::kExact) bounds.insert(saving.bound);
  }
  // The mean of bounds of both kinds would mean nothing.
  if (bounds.size() > 1) return {};
  return {spread_of(values), bounds.empty() ? Bound::kExact : *bounds.begin()};
}

std::optional<FrontierSummary> summarize_frontier(const Comparison& comparison,
                                                  const RunGroup& group) {
  const ComparedRun& first = comparison.runs[group.runs.front()];
  if (!comparison.has_frontier || first.is_frontier) return std::nullopt;
  const int64_t layers = first.history.info.layers;
  FrontierSummary summary;
  summary.best = best_rival(comparison, group, [](const FrontierCurve&) { return true; });
  summary.shallower = best_rival(comparison, group,
                                 [&](const FrontierCurve& curve) { return curve.layers < layers; });
  std::vector<BudgetSaving> saved;
  std::vector<BudgetSaving> same_depth;
  for (const size_t index : group.runs) {
    const ComparedRun& run = comparison.runs[index];
    auto curves = curves_of_seed(comparison, run.history.info.seed);
    if (const auto saving = frontier_saving(end_of(run), curves)) saved.push_back(*saving);
    std::erase_if(curves, [&](const FrontierCurve& curve) { return curve.layers != layers; });
    if (const auto saving = frontier_saving(end_of(run), curves)) same_depth.push_back(*saving);
  }
  // A mean over only some of the seeds would belong to other runs.
  if (saved.size() == group.runs.size()) {
    const MeanSaving mean = mean_saving(saved);
    summary.saved = mean.spread;
    summary.saved_bound = mean.bound;
  }
  if (same_depth.size() == group.runs.size()) {
    const MeanSaving mean = mean_saving(same_depth);
    summary.same_depth_saved = mean.spread;
    summary.same_depth_bound = mean.bound;
  }
  return summary;
}

Json frontier_json(const Comparison& comparison) {
  std::vector<FrontierCurve> curves;
  for (const RunGroup& group : comparison.groups) {
    const ComparedRun& first = comparison.runs[group.runs.front()];
    if (!first.is_frontier) continue;
    auto same = std::find_if(curves.begin(), curves.end(),
                             [&](const FrontierCurve& curve) { return curve.name == group.name; });
    if (same == curves.end())
      same = curves.insert(curves.end(), {group.name, first.history.info.layers, {}});
    same->ends.push_back({group.flops->mean, group.final_loss->mean});
  }
  for (FrontierCurve& curve : curves) {
    std::sort(curve.ends.begin(), curve.ends.end(),
              [](const BudgetPoint& a, const BudgetPoint& b) { return a.flops < b.flops; });
  }
  std::vector<Json> points;
  for (const FrontierCurve& curve : curves) {
    for (const BudgetPoint& end : curve.ends) {
      const bool is_beaten =
          std::any_of(curves.begin(), curves.end(), [&](const FrontierCurve& other) {
            const auto loss = loss_at_budget(other.ends, end.flops);
            return loss && *loss < end.loss;
          });
      if (is_beaten) continue;
      points.push_back({{"name", curve.name},
                        {"layers", curve.layers},
                        {"flops", end.flops},
                        {"loss", end.loss}});
    }
  }
  std::sort(points.begin(), points.end(), [](const Json& a, const Json& b) {
    return a["flops"].get<double>() < b["flops"].get<double>();
  });
  return points;
}

}  // namespace apollo
