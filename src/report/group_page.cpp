#include "report/group_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "report/curves.h"
#include "report/formats.h"

namespace apollo {
namespace {

constexpr int kNumBandPoints = 64;

// A name with its runs at all budgets; the charts of single steps show one of these runs.
struct Method {
  std::string name;
  size_t shown = 0;                      // of Comparison::runs
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

// The group that the headline is about: that which saved most where all seeds got there, at the
// largest of its budgets first; else that of least loss.
const RunGroup& best_group(const Comparison& comparison) {
  const RunGroup* best = nullptr;
  const auto merit = [](const RunGroup& group) {
    constexpr double kReached = 1e6;
    const bool reached = group.num_reached > 0 && group.num_reached == group.num_pairs;
    return reached && group.flops_saved_for_good ? kReached + group.flops_saved_for_good->mean
                                                 : -group.final_loss->mean;
  };
  for (const RunGroup& group : comparison.groups) {
    const bool is_rival = group.is_baseline || comparison.runs[group.runs.front()].is_frontier;
    if (!is_rival && (best == nullptr || merit(group) > merit(*best))) best = &group;
  }
  return best == nullptr ? comparison.groups.front() : *best;
}

std::string range_text(const Spread& spread) {
  if (spread.n == 1) return "one seed";
  return fmt::format("95 % interval of the mean {}; ± is the sample deviation over {} seeds",
                     percent_interval(spread), spread.n);
}

std::vector<Headline> headlines_of(const RunGroup& group) {
  std::vector<Headline> headlines;
  const auto saved = [&](const std::optional<Spread>& spread, const std::string& what,
                         Bound bound) {
    if (!spread) return;
    headlines.push_back(
        {format_saved(spread, bound), what,
         fmt::format("{}: {}", format_speed_up(spread->mean), range_text(*spread))});
  };
  if (group.flops_saved_for_good) {
    headlines.push_back({format_saved_for_good(group), "of the FLOPs saved for good at equal loss",
                         range_text(*group.flops_saved_for_good)});
    saved(group.wall_saved_for_good, "of the wall time saved for good at equal loss",
          Bound::kExact);
  } else {
    headlines.push_back({"not reached", "the baseline's final loss", group.budget});
  }
  if (group.budget_saved) {
    saved(group.budget_saved, "of the FLOPs saved at equal budget", group.budget_bound);
  } else if (group.loss_difference) {
    headlines.push_back({fmt::format("{:+.3f}", group.loss_difference->mean),
                         "nats of loss at equal budget",
                         fmt::format("± {:.3f}, sample deviation over {} seeds",
                                     group.loss_difference->deviation, group.loss_difference->n)});
  }
  if (group.frontier) {
    saved(group.frontier->saved, "of the FLOPs saved against the frontier",
          group.frontier->saved_bound);
  }
  return headlines;
}

// Mean, least and greatest of the seeds' losses where all of them have one.
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

std::string chart_json(const Comparison& comparison, const std::vector<Method>& methods) {
  std::string runs;
  std::string crossings;
  Json groups = Json::array();
  size_t baseline = 0;
  double target = 0.0;
  for (size_t i = 0; i < methods.size(); ++i) {
    const ComparedRun& run = comparison.runs[methods[i].shown];
    const std::string comma = i > 0 ? "," : "";
    runs += comma + chart_data(run.history, methods[i].name);
    crossings += comma + "null";
    if (run.is_baseline) {
      baseline = i;
      target = run.final.loss;
    }
    for (const RunGroup* group : methods[i].budgets)
      groups.push_back(group_json(*group, i, comparison));
  }
  const auto text = [](const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  return fmt::format(
      "{{\"baseline\":{},\"target\":{:.7g},\"crossings\":[{}],\"groups\":{},\"frontier\":{},"
      "\"runs\":[{}]}}",
      baseline, target, crossings, text(groups), text(frontier_json(comparison)), runs);
}

}  // namespace

void fill_group_content(const Comparison& comparison, PageContent& content) {
  const std::vector<Method> methods = methods_of(comparison);
  const RunGroup& best = best_group(comparison);
  const std::string& baseline = comparison.runs[comparison.baseline].group;
  content.kind = "Comparison over seeds and budgets";
  content.title = fmt::format("{} against {}", best.name, baseline);
  if (methods.size() > 2) content.title += fmt::format(", and {} more", methods.size() - 2);
  if (best.flops_saved_for_good) {
    content.lede = fmt::format(
        "At a budget of {}, {} reached the final validation loss of {} for good with {:.1f} % of "
        "its "
        "FLOPs ({}).",
        best.budget, best.name, baseline, 100.0 * (1.0 - best.flops_saved_for_good->mean),
        best.flops_saved_for_good->n == 1
            ? "one seed"
            : fmt::format("mean over {} seeds, paired", best.flops_saved_for_good->n));
  } else {
    content.lede =
        fmt::format("No run reached the final validation loss of {} with every seed.", baseline);
  }
  content.headlines = headlines_of(best);
  if (best.frontier && best.frontier->best) {
    content.lede += fmt::format(" It {}.", best.frontier->verdict());
  }
  content.chart_json = chart_json(comparison, methods);
  const StartRow& shown = comparison.runs[methods.front().shown].history.info;
  content.notes.push_back(fmt::format(
      "The charts of single runs show seed {} at the largest budget of each; those over seeds show "
      "the mean and, shaded, the least to the greatest.",
      shown.seed));
}

}  // namespace apollo
