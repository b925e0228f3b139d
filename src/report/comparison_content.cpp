#include "report/comparison_content.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "report/curves.h"
#include "report/formats.h"

namespace apollo {
namespace {

constexpr int kNumBandPoints = 64;

// A name with its runs at all budgets. The charts of single steps show one of these runs.
struct Method {
  std::string name;
  size_t shown = 0;                      // index into Comparison::runs
  std::vector<const RunGroup*> budgets;  // in the order of the file
};

double mean_flops(const RunGroup& group) {
  return group.flops ? group.flops->mean : 0.0;
}

std::vector<Method> methods_of(const Comparison& comparison) {
  std::vector<Method> methods;
  for (const RunGroup& group : comparison.groups) {
    auto same = std::find_if(methods.begin(), methods.end(),
                             [&](const Method& method) { return method.name == group.name; });
    if (same == methods.end()) same = methods.insert(methods.end(), {group.name, 0, {}});
    same->budgets.push_back(&group);
  }
  for (Method& method : methods) {
    const RunGroup* largest = *std::max_element(
        method.budgets.begin(), method.budgets.end(),
        [](const RunGroup* a, const RunGroup* b) { return mean_flops(*a) < mean_flops(*b); });
    method.shown =
        *std::min_element(largest->runs.begin(), largest->runs.end(), [&](size_t a, size_t b) {
          return comparison.runs[a].history.info.seed < comparison.runs[b].history.info.seed;
        });
  }
  return methods;
}

// Returns the group of the headline. Only the largest budget counts, since small ones flatter
// growth: among its groups where all seeds got there the one that saved most; if there is none, the
// one with the least loss. A run of the frontier is chosen only if there are no others.
const RunGroup& best_group(const Comparison& comparison) {
  const auto merit = [](const RunGroup& group) {
    constexpr double kReached = 1e6;
    const bool reached = group.num_reached > 0 && group.num_reached == group.num_pairs;
    return reached && group.flops_saved_for_good ? kReached + group.flops_saved_for_good->mean
                                                 : -group.final_loss->mean;
  };
  for (const bool frontier : {false, true}) {
    std::vector<const RunGroup*> rivals;
    for (const RunGroup& group : comparison.groups) {
      const bool is_frontier = comparison.runs[group.runs.front()].is_frontier;
      if (!group.is_baseline && is_frontier == frontier) rivals.push_back(&group);
    }
    if (rivals.empty()) continue;
    const std::string& budget = (*std::ranges::max_element(rivals, {}, [](const RunGroup* group) {
                                  return mean_flops(*group);
                                }))->budget;
    if (comparison.is_grouped)
      std::erase_if(rivals, [&](const RunGroup* group) { return group->budget != budget; });
    return **std::ranges::max_element(rivals, {},
                                      [&](const RunGroup* group) { return merit(*group); });
  }
  return comparison.groups.front();
}

// Returns what is behind a mean.
std::string seeds_text(const Spread& spread) {
  if (spread.n == 1) return "one seed";
  return fmt::format("95 % interval of the mean {}; ± is the sample deviation over {} seeds",
                     percent_interval(spread), spread.n);
}

// Says "40.0 % of the FLOPs saved WHERE", or that more was needed; `detail` stands below.
Headline saved_headline(const Spread& saved, Bound bound, const std::string& of,
                        const std::string& where, const std::string& detail) {
  if (saved.n == 1 && saved.mean < 0.0 && bound == Bound::kExact) {
    return {format_saved(-saved.mean), fmt::format("more {} needed for equal loss", of), detail};
  }
  return {format_saved(saved, bound), fmt::format("of the {} saved {}", of, where), detail};
}

// Says "600 FLOP instead of 1.00 kFLOP: 1.67x" for one run; over seeds the speed-up and their
// spread.
std::string cost_detail(const Comparison& comparison, const RunGroup& group, const Spread& saved,
                        double Cost::*part, std::string (*format)(double)) {
  if (comparison.is_grouped)
    return fmt::format("{}: {}", format_speed_up(saved.mean), seeds_text(saved));
  const ComparedRun& run = comparison.runs[group.runs.front()];
  const double whole = comparison.runs[*run.pair].final.cost.*part;
  return fmt::format("{} instead of {}: {}", format(whole * (1.0 - saved.mean)), format(whole),
                     format_speed_up(saved.mean));
}

void add_equal_loss(const Comparison& comparison, const RunGroup& group,
                    std::vector<Headline>& headlines) {
  const char* where = "for good at equal loss";
  const auto& flops = group.flops_saved_for_good;
  if (!flops) {
    const bool lost_again = std::any_of(group.runs.begin(), group.runs.end(), [&](size_t index) {
      return comparison.runs[index].equal_loss.ended_above;
    });
    const std::string& baseline = comparison.runs[comparison.baseline].group;
    headlines.push_back(
        {"not reached",
         fmt::format("{}the final loss of {}", lost_again ? "for good: " : "", baseline),
         fmt::format("{} against {}", format_spread(group.final_loss, 4),
                     format_spread(group.target_loss, 4))});
    return;
  }
  if (group.is_range) {
    headlines.push_back({format_saved_for_good(group), fmt::format("of the FLOPs saved {}", where),
                         "evaluations lie too far apart for one number"});
  } else {
    headlines.push_back(
        saved_headline(*flops, Bound::kExact, "FLOPs", where,
                       cost_detail(comparison, group, *flops, &Cost::flops, format_flops)));
  }
  if (!group.is_range && group.wall_saved_for_good) {
    const Spread& wall = *group.wall_saved_for_good;
    headlines.push_back(
        saved_headline(wall, Bound::kExact, "wall time", where,
                       cost_detail(comparison, group, wall, &Cost::wall_s, format_seconds)));
  }
}

void add_equal_budget(const Comparison& comparison, const RunGroup& group,
                      std::vector<Headline>& headlines) {
  const auto speed_up = [&](const Spread& saved, Bound bound) {
    return fmt::format("{}: {}", format_speed_up(saved, bound), seeds_text(saved));
  };
  if (group.budget_saved) {
    const Spread& saved = *group.budget_saved;
    headlines.push_back(saved_headline(saved, group.budget_bound, "FLOPs", "at equal budget",
                                       speed_up(saved, group.budget_bound)));
  } else if (group.loss_difference) {
    const double difference = group.loss_difference->mean;
    const Spread& spread = *group.loss_difference;
    const std::string over_seeds =
        spread.n == 1
            ? "one seed"
            : fmt::format("± {:.3f}, sample deviation over {} seeds", spread.deviation, spread.n);
    const std::string detail =
        comparison.is_grouped
            ? over_seeds
            : fmt::format("{:.4f} against {:.4f} at {}", group.common_loss->mean,
                          group.common_baseline_loss->mean, format_flops(group.common_flops->mean));
    headlines.push_back({fmt::format("{}{:.3f}", difference < 0 ? "−" : "+", std::abs(difference)),
                         "nats of loss at equal FLOPs", detail});
  }
  if (group.frontier && group.frontier->saved) {
    const Spread& saved = *group.frontier->saved;
    headlines.push_back(saved_headline(saved, group.frontier->saved_bound, "FLOPs",
                                       "against the frontier",
                                       speed_up(saved, group.frontier->saved_bound)));
  }
}

// Returns the finding in one sentence.
std::string lede_of(const Comparison& comparison, const RunGroup& best) {
  const std::string& baseline = comparison.runs[comparison.baseline].group;
  std::string target = fmt::format("the final validation loss of {}", baseline);
  if (!comparison.is_grouped && best.target_loss)
    target += fmt::format(" ({:.4f})", best.target_loss->mean);
  if (!best.flops_saved_for_good) {
    if (comparison.is_grouped) return fmt::format("No run reached {} with every seed.", target);
    const bool lost_again = comparison.runs[best.runs.front()].equal_loss.ended_above;
    return fmt::format("{} did not reach {}{}.", best.name, target, lost_again ? " for good" : "");
  }
  const Spread& saved = *best.flops_saved_for_good;
  std::string text = comparison.is_grouped
                         ? fmt::format("At a budget of {}, {}", best.budget, best.name)
                         : best.name;
  if (saved.mean < 0.0) {
    text += fmt::format(" reached {}, with more FLOPs than it took there", target);
  } else {
    text += fmt::format(" reached {} for good with {:.1f} % of its FLOPs", target,
                        100.0 * (1.0 - saved.mean));
  }
  if (comparison.is_grouped) {
    text += saved.n == 1 ? " (one seed)" : fmt::format(" (mean over {} seeds, paired)", saved.n);
  }
  text += ".";
  if (best.frontier && best.frontier->best)
    text += fmt::format(" It {}.", best.frontier->verdict());
  return text;
}

// Returns mean, least and greatest of the seeds' losses where all of them have one.
Json band_json(const RunGroup& group, const Comparison& comparison) {
  std::vector<LossCurve> curves;
  double first = 0.0;
  double last = INFINITY;
  for (const size_t index : group.runs) {
    curves.push_back(full_depth_curve(comparison.runs[index].history));
    first = std::max(first, curves.back().front().cost.flops);
    last = std::min(last, curves.back().back().cost.flops);
  }
  Json flops = Json::array(), mean = Json::array(), least = Json::array(), greatest = Json::array();
  for (int i = 0; i <= kNumBandPoints; ++i) {
    const double at = std::lerp(first, last, static_cast<double>(i) / kNumBandPoints);
    std::vector<double> losses;
    for (const LossCurve& curve : curves) {
      if (const auto loss = loss_at_flops(curve, at)) losses.push_back(*loss);
    }
    if (losses.size() != curves.size()) continue;
    const Spread spread = *spread_of(losses);
    flops.push_back(at);
    mean.push_back(spread.mean);
    least.push_back(spread.least);
    greatest.push_back(spread.greatest);
  }
  return {{"flops", std::move(flops)},
          {"mean", std::move(mean)},
          {"least", std::move(least)},
          {"greatest", std::move(greatest)}};
}

Json savings_json(const RunGroup& group) {
  Json loss = Json::array(), mean = Json::array(), least = Json::array(), greatest = Json::array();
  for (const SavingAtLoss& level : group.saved_at_loss) {
    loss.push_back(level.loss);
    mean.push_back(level.flops_saved.mean);
    least.push_back(level.flops_saved.least);
    greatest.push_back(level.flops_saved.greatest);
  }
  return {{"loss", std::move(loss)},
          {"mean", std::move(mean)},
          {"least", std::move(least)},
          {"greatest", std::move(greatest)}};
}

Json group_json(const RunGroup& group, size_t run, const Comparison& comparison) {
  return {{"run", run},
          {"budget", group.budget},
          {"seeds", group.runs.size()},
          {"band", band_json(group, comparison)},
          {"saved", savings_json(group)},
          {"end",
           {{"flops", group.flops->mean},
            {"loss", group.final_loss->mean},
            {"deviation", group.final_loss->deviation}}}};
}

// Returns where a run had the baseline's loss; null if a line stands for several runs.
Json crossing_json(const Comparison& comparison, const ComparedRun& run) {
  const auto& cost = run.equal_loss.cost;
  if (comparison.is_grouped || !cost || run.is_baseline) return {};
  return {{"flops", cost->flops}, {"wall_s", cost->wall_s}, {"tokens", cost->tokens}};
}

std::string chart_json(const Comparison& comparison, const std::vector<Method>& methods) {
  std::string runs;
  Json crossings = Json::array();
  Json groups = Json::array();
  size_t baseline = 0;
  double target = 0.0;
  for (size_t i = 0; i < methods.size(); ++i) {
    const ComparedRun& run = comparison.runs[methods[i].shown];
    runs += (i > 0 ? "," : "") + chart_data(run.history, methods[i].name);
    crossings.push_back(crossing_json(comparison, run));
    if (run.is_baseline) {
      baseline = i;
      target = run.final.loss;
    }
    if (!comparison.is_grouped) continue;
    for (const RunGroup* group : methods[i].budgets)
      groups.push_back(group_json(*group, i, comparison));
  }
  const auto text = [](const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  const Json frontier = comparison.is_grouped ? frontier_json(comparison) : Json();
  return fmt::format(
      "{{\"baseline\":{},\"target\":{:.7g},\"crossings\":{},\"groups\":{},\"frontier\":{},"
      "\"runs\":[{}]}}",
      baseline, target, text(crossings), text(groups), text(frontier), runs);
}

}  // namespace

void fill_comparison_content(const Comparison& comparison, PageContent& content) {
  const std::vector<Method> methods = methods_of(comparison);
  const RunGroup& best = best_group(comparison);
  const std::string& baseline = comparison.runs[comparison.baseline].group;
  content.kind = comparison.is_grouped ? "Comparison over seeds and budgets" : "Comparison";
  content.title = fmt::format("{} against {}", best.name, baseline);
  if (methods.size() > 2) content.title += fmt::format(", and {} more", methods.size() - 2);
  content.lede = lede_of(comparison, best);
  add_equal_loss(comparison, best, content.headlines);
  add_equal_budget(comparison, best, content.headlines);
  content.chart_json = chart_json(comparison, methods);
  if (!comparison.is_grouped) return;
  const StartRow& shown = comparison.runs[methods.front().shown].history.info;
  content.notes.push_back(fmt::format(
      "The charts of single runs show seed {} at the largest budget of each; those over seeds show "
      "the mean and, shaded, the least to the greatest.",
      shown.seed));
}

}  // namespace apollo
