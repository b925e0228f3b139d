#include "report/groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "base/duration.h"
#include "base/error.h"
#include "report/comparison.h"

namespace apollo {
namespace {

constexpr int64_t kGradientWindow = 20;  // steps
constexpr int kNumLossLevels = 48;

// Returns the requested length. The actual FLOPs of two seeds may differ by a step or so.
std::string budget_of(const RunHistory& run) {
  for (const auto& [key, value] : run.config) {
    if (key != "train.duration") continue;
    try {
      return to_string(parse_duration(value));
    } catch (const UsageError&) {
      return value;  // from a newer program with units that are unknown here
    }
  }
  return run.info.total_flops > 0 ? fmt::format("{:.3g} flops", run.info.total_flops)
                                  : fmt::format("{} steps", run.info.total_steps);
}

// Collects the known values.
class Values {
 public:
  void add(std::optional<double> value) {
    if (value && std::isfinite(*value)) values_.push_back(*value);
  }
  std::optional<Spread> spread() const { return spread_of(values_); }

 private:
  std::vector<double> values_;
};

template <class Get>
std::optional<Spread> over_runs(const RunGroup& group, const Comparison& comparison, Get get) {
  Values values;
  for (const size_t index : group.runs)
    values.add(get(comparison.runs[index]));
  return values.spread();
}

void summarize_costs(const Comparison& comparison, RunGroup& group) {
  const auto over = [&](auto get) { return over_runs(group, comparison, get); };
  group.final_loss = over([](const ComparedRun& run) { return run.final.loss; });
  group.test_loss = over([](const ComparedRun& run) {
    return run.history.test ? std::optional(run.history.test->loss) : std::nullopt;
  });
  group.flops = over([](const ComparedRun& run) { return run.final.cost.flops; });
  group.wall_s = over([](const ComparedRun& run) { return run.final.cost.wall_s; });
  group.tokens = over([](const ComparedRun& run) { return run.final.cost.tokens; });
  group.energy_j = over([](const ComparedRun& run) { return run.final.cost.energy_j; });
  group.ppl = over([](const ComparedRun& run) { return run.final.ppl; });
  group.bpb = over([](const ComparedRun& run) { return run.final.bpb; });
  group.accuracy = over([](const ComparedRun& run) { return run.final.accuracy; });
  group.eval_flops = over([](const ComparedRun& run) { return run.history.eval_flops; });
}

void summarize_equal_loss(const Comparison& comparison, RunGroup& group) {
  const auto over = [&](std::optional<double> EqualLoss::*part) {
    return over_runs(group, comparison, [&](const ComparedRun& run) {
      return run.pair ? run.equal_loss.*part : std::nullopt;
    });
  };
  for (const size_t index : group.runs) {
    const ComparedRun& run = comparison.runs[index];
    group.num_pairs += run.pair.has_value();
    group.num_reached += run.pair && run.equal_loss.cost;
  }
  group.flops_saved = over(&EqualLoss::flops_saved);
  group.wall_saved = over(&EqualLoss::wall_saved);
  group.tokens_saved = over(&EqualLoss::tokens_saved);
  group.energy_saved = over(&EqualLoss::energy_saved);
  group.flops_saved_for_good = over(&EqualLoss::flops_saved_for_good);
  group.wall_saved_for_good = over(&EqualLoss::wall_saved_for_good);
  group.tokens_saved_for_good = over(&EqualLoss::tokens_saved_for_good);
  group.flops_saved_least = over(&EqualLoss::flops_saved_least);
  group.flops_saved_most = over(&EqualLoss::flops_saved_most);
  group.is_range = std::any_of(group.runs.begin(), group.runs.end(), [&](size_t index) {
    return comparison.runs[index].equal_loss.is_range;
  });
  group.layers_at_loss = over_runs(group, comparison, [](const ComparedRun& run) {
    return run.layers_at_loss ? std::optional(static_cast<double>(*run.layers_at_loss))
                              : std::nullopt;
  });
  group.flops_saved_all_layers = over_runs(
      group, comparison, [](const ComparedRun& run) { return run.flops_saved_all_layers; });
  group.target_loss = over_runs(group, comparison, [&](const ComparedRun& run) {
    return run.pair ? std::optional(comparison.runs[*run.pair].final.loss) : std::nullopt;
  });
}

// Levels go from where both curves begin down to where the baseline ended.
void summarize_levels(const Comparison& comparison, RunGroup& group) {
  std::vector<std::pair<LossCurve, LossCurve>> pairs;
  double high = INFINITY;
  double low = -INFINITY;
  for (const size_t index : group.runs) {
    const ComparedRun& run = comparison.runs[index];
    if (!run.pair) continue;
    pairs.emplace_back(full_depth_curve(run.history),
                       full_depth_curve(comparison.runs[*run.pair].history));
    const auto& [curve, baseline] = pairs.back();
    high = std::min({high, curve.front().loss, baseline.front().loss});
    low = std::max(low, baseline.back().loss);
  }
  if (pairs.empty() || low >= high) return;
  for (int i = 0; i <= kNumLossLevels; ++i) {
    const double loss = std::lerp(high, low, static_cast<double>(i) / kNumLossLevels);
    std::vector<double> saved;
    for (const auto& [curve, baseline] : pairs) {
      const auto cost = cost_at_loss(curve, loss);
      const auto baseline_cost = cost_at_loss(baseline, loss);
      if (cost && baseline_cost && baseline_cost->flops > 0) {
        saved.push_back(1.0 - cost->flops / baseline_cost->flops);
      }
    }
    if (saved.size() == pairs.size()) group.saved_at_loss.push_back({loss, *spread_of(saved)});
  }
}

BudgetPoint end_of(const ComparedRun& run) {
  return {run.final.cost.flops, run.final.loss};
}

// Returns the ends of the baseline's runs of one seed, in order of FLOPs.
std::vector<BudgetPoint> baseline_ends(const Comparison& comparison, uint64_t seed) {
  std::vector<BudgetPoint> ends;
  for (const ComparedRun& run : comparison.runs) {
    if (run.is_baseline && run.history.info.seed == seed) ends.push_back(end_of(run));
  }
  std::sort(ends.begin(), ends.end(),
            [](const BudgetPoint& a, const BudgetPoint& b) { return a.flops < b.flops; });
  return ends;
}

// Returns where the losses of a pair are compared.
EqualFlops common_point(const Comparison& comparison, const ComparedRun& run) {
  if (!comparison.is_grouped) return run.equal_flops;
  return {run.final.cost.flops, run.final.loss, comparison.runs[*run.pair].final.loss};
}

void summarize_common_point(const Comparison& comparison, RunGroup& group) {
  Values flops, loss, baseline_loss, difference;
  for (const size_t index : group.runs) {
    const ComparedRun& run = comparison.runs[index];
    if (!run.pair) continue;
    const EqualFlops point = common_point(comparison, run);
    flops.add(point.flops);
    loss.add(point.loss);
    baseline_loss.add(point.baseline_loss);
    if (point.loss && point.baseline_loss) difference.add(*point.loss - *point.baseline_loss);
  }
  group.common_flops = flops.spread();
  group.common_loss = loss.spread();
  group.common_baseline_loss = baseline_loss.spread();
  group.loss_difference = difference.spread();
}

void summarize_equal_budget(const Comparison& comparison, RunGroup& group) {
  std::vector<BudgetSaving> savings;
  for (const size_t index : group.runs) {
    const ComparedRun& run = comparison.runs[index];
    if (run.is_baseline) continue;
    const auto saving =
        budget_saving(end_of(run), baseline_ends(comparison, run.history.info.seed));
    if (saving) savings.push_back(*saving);
  }
  const MeanSaving mean = mean_saving(savings);
  group.budget_saved = mean.spread;
  group.budget_bound = mean.bound;
}

void summarize_growths(const Comparison& comparison, RunGroup& group) {
  std::vector<std::pair<int64_t, int64_t>> hops;
  for (const size_t index : group.runs) {
    for (const Growth& growth : comparison.runs[index].history.growths) {
      const std::pair hop(growth.from, growth.to);
      if (std::find(hops.begin(), hops.end(), hop) == hops.end()) hops.push_back(hop);
    }
  }
  for (const auto& [from, to] : hops) {
    Values step, before, after, jump, gradient;
    for (const size_t index : group.runs) {
      const RunHistory& run = comparison.runs[index].history;
      for (const Growth& growth : run.growths) {
        if (growth.from != from || growth.to != to) continue;
        step.add(static_cast<double>(growth.step));
        before.add(growth.loss_before);
        after.add(growth.loss_after);
        if (growth.loss_before && growth.loss_after) {
          jump.add(*growth.loss_after - *growth.loss_before);
        }
        gradient.add(gradient_rise(run, growth));
      }
    }
    group.growths.push_back({from, to, *step.spread(), before.spread(), after.spread(),
                             jump.spread(), gradient.spread()});
  }
}

Json number(const std::optional<Spread>& spread) {
  if (!spread) return nullptr;
  return {{"n", spread->n},
          {"mean", spread->mean},
          {"std", spread->deviation},
          {"half_interval", spread->half_interval() ? Json(*spread->half_interval()) : Json()},
          {"min", spread->least},
          {"max", spread->greatest}};
}

Json rival_json(const std::optional<FrontierRival>& rival) {
  if (!rival) return nullptr;
  return {{"name", rival->name},
          {"layers", rival->layers},
          {"loss", number(rival->loss)},
          {"difference", number(rival->difference)}};
}

Json summary_json(const std::optional<FrontierSummary>& frontier) {
  if (!frontier) return nullptr;
  return {{"shallower", rival_json(frontier->shallower)},
          {"best", rival_json(frontier->best)},
          {"flops_saved", number(frontier->saved)},
          {"bound", bound_name(frontier->saved_bound)},
          {"same_depth_flops_saved", number(frontier->same_depth_saved)},
          {"same_depth_bound", bound_name(frontier->same_depth_bound)},
          {"verdict", frontier->verdict()}};
}

}  // namespace

std::optional<double> gradient_rise(const RunHistory& run, const Growth& growth) {
  std::vector<double> before;
  double after = -INFINITY;
  for (size_t i = 0; i < run.steps.size(); ++i) {
    const auto distance = static_cast<int64_t>(run.steps.step[i]) - growth.step;
    const double norm = run.steps.grad_norm[i];
    if (!std::isfinite(norm)) continue;
    if (distance > -kGradientWindow && distance <= 0) before.push_back(norm);
    if (distance > 0 && distance <= kGradientWindow) after = std::max(after, norm);
  }
  if (before.empty() || after < 0.0) return std::nullopt;
  const auto middle = before.begin() + static_cast<std::ptrdiff_t>(before.size() / 2);
  std::nth_element(before.begin(), middle, before.end());
  return *middle > 0.0 ? std::optional(after / *middle) : std::nullopt;
}

void pair_runs(Comparison& comparison) {
  std::map<std::tuple<std::string, std::string, uint64_t>, int> count;
  const auto key = [](const ComparedRun& run) {
    return std::tuple(run.group, run.budget, run.history.info.seed);
  };
  for (ComparedRun& run : comparison.runs) {
    run.group = run.history.info.name;
    run.budget = budget_of(run.history);
    ++count[key(run)];
  }
  const std::string baseline = comparison.runs[comparison.baseline].group;
  // Two runs of the same name, budget and seed are no repetition. They stay separate, under their
  // names.
  for (size_t i = 0; i < comparison.runs.size(); ++i) {
    ComparedRun& run = comparison.runs[i];
    const bool is_unique = count[key(run)] == 1;
    run.is_baseline = i == comparison.baseline || (is_unique && run.group == baseline);
    if (!is_unique) run.group = run.name;
  }
  std::map<std::string, int> sizes;
  for (const ComparedRun& run : comparison.runs)
    comparison.is_grouped |= ++sizes[run.group] > 1;
  std::map<std::string, std::set<std::string>> budgets;
  for (const ComparedRun& run : comparison.runs)
    budgets[run.group].insert(run.budget);
  for (ComparedRun& run : comparison.runs) {
    if (sizes[run.group] == 1) continue;
    run.name = run.group;
    if (budgets[run.group].size() > 1) run.name += ", " + run.budget;
    run.name += fmt::format(", seed {}", run.history.info.seed);
  }
  for (ComparedRun& run : comparison.runs) {
    if (!comparison.is_grouped) {
      run.pair = comparison.baseline;
      continue;
    }
    for (size_t i = 0; i < comparison.runs.size() && !run.pair; ++i) {
      const ComparedRun& other = comparison.runs[i];
      if (other.is_baseline && other.budget == run.budget &&
          other.history.info.seed == run.history.info.seed) {
        run.pair = i;
      }
    }
  }
}

std::vector<RunGroup> group_runs(const Comparison& comparison) {
  std::vector<RunGroup> groups;
  for (size_t i = 0; i < comparison.runs.size(); ++i) {
    const ComparedRun& run = comparison.runs[i];
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const RunGroup& group) {
      return group.name == run.group && group.budget == run.budget;
    });
    if (same != groups.end()) {
      same->runs.push_back(i);
    } else {
      groups.push_back({});
      groups.back().name = run.group;
      groups.back().budget = run.budget;
      groups.back().runs = {i};
      groups.back().is_baseline = run.is_baseline;
    }
  }
  for (RunGroup& group : groups) {
    summarize_costs(comparison, group);
    summarize_equal_loss(comparison, group);
    if (!group.is_baseline) summarize_levels(comparison, group);
    summarize_common_point(comparison, group);
    summarize_equal_budget(comparison, group);
    summarize_growths(comparison, group);
    group.frontier = summarize_frontier(comparison, group);
  }
  return groups;
}

Json to_json(const RunGroup& group, const Comparison& comparison) {
  Json levels = Json::array();
  for (const SavingAtLoss& level : group.saved_at_loss) {
    levels.push_back({{"loss", level.loss}, {"flops_saved", number(level.flops_saved)}});
  }
  Json growths = Json::array();
  for (const GrowthSummary& growth : group.growths) {
    growths.push_back({{"from", growth.from},
                       {"to", growth.to},
                       {"step", number(growth.step)},
                       {"loss_before", number(growth.loss_before)},
                       {"loss_after", number(growth.loss_after)},
                       {"jump", number(growth.jump)},
                       {"gradient_rise", number(growth.gradient)}});
  }
  Json folders = Json::array();
  for (const size_t index : group.runs)
    folders.push_back(comparison.runs[index].history.folder.string());
  return {{"name", group.name},
          {"budget", group.budget},
          {"is_baseline", group.is_baseline},
          {"method", comparison.runs[group.runs.front()].history.info.method},
          {"folders", std::move(folders)},
          {"final_loss", number(group.final_loss)},
          {"test_loss", number(group.test_loss)},
          {"flops", number(group.flops)},
          {"wall_s", number(group.wall_s)},
          {"tokens", number(group.tokens)},
          {"energy_j", number(group.energy_j)},
          {"equal_loss",
           {{"pairs", group.num_pairs},
            {"reached", group.num_reached},
            {"loss", number(group.target_loss)},
            {"flops_saved", number(group.flops_saved)},
            {"wall_saved", number(group.wall_saved)},
            {"tokens_saved", number(group.tokens_saved)},
            {"energy_saved", number(group.energy_saved)},
            {"flops_saved_for_good", number(group.flops_saved_for_good)},
            {"wall_saved_for_good", number(group.wall_saved_for_good)},
            {"tokens_saved_for_good", number(group.tokens_saved_for_good)},
            {"flops_saved_least", number(group.flops_saved_least)},
            {"flops_saved_most", number(group.flops_saved_most)},
            {"is_range", group.is_range},
            {"layers", number(group.layers_at_loss)},
            {"flops_saved_all_layers", number(group.flops_saved_all_layers)},
            {"levels", std::move(levels)}}},
          {"equal_budget",
           {{"loss_difference", number(group.loss_difference)},
            {"flops_saved", number(group.budget_saved)},
            {"bound", bound_name(group.budget_bound)}}},
          {"frontier", summary_json(group.frontier)},
          {"growths", std::move(growths)}};
}

}  // namespace apollo
