#include "report/comparison.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "base/error.h"
#include "base/spelling.h"
#include "base/units.h"
#include "report/comparable.h"

namespace apollo {
namespace {

// Returns the runs' own names, with the folder added if two share one.
std::vector<std::string> unique_names(const std::vector<RunHistory>& runs) {
  std::map<std::string, int> count;
  for (const RunHistory& run : runs)
    ++count[run.info.name];
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (const RunHistory& run : runs) {
    std::string name = run.info.name;
    if (count[name] > 1) {
      const auto folder = run.folder.lexically_normal();
      name = (folder.has_filename() ? folder : folder.parent_path()).filename().string();
      if (taken.contains(name)) name = run.folder.string();
    }
    taken.insert(name);
    names.push_back(name);
  }
  return names;
}

size_t find_baseline(const std::vector<RunHistory>& runs, const std::vector<std::string>& names,
                     const std::string& wanted) {
  for (size_t i = 0; i < runs.size(); ++i) {
    if (wanted.empty() ? runs[i].info.method == "scratch" : names[i] == wanted) return i;
  }
  if (wanted.empty()) return 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    std::error_code ignored;
    if (runs[i].info.name == wanted ||
        std::filesystem::equivalent(runs[i].folder, wanted, ignored)) {
      return i;
    }
  }
  fail<UsageError>(
      "compare: --baseline '{}' is none of the runs (hint: {})", wanted,
      did_you_mean(wanted, names, fmt::format("they are '{}'", fmt::join(names, "', '"))));
}

// If the baseline is from scratch, it is one of the depths and belongs to the frontier too.
void mark_frontier(Comparison& comparison, const std::vector<std::string>& frontier) {
  if (frontier.empty()) return;
  comparison.has_frontier = true;
  std::vector<std::string> names;
  for (ComparedRun& run : comparison.runs) {
    const StartRow& info = run.history.info;
    if (std::find(names.begin(), names.end(), info.name) == names.end()) names.push_back(info.name);
    const bool is_named = std::find(frontier.begin(), frontier.end(), info.name) != frontier.end();
    run.is_frontier = is_named || (run.is_baseline && info.method == "scratch");
    if (is_named && info.method != "scratch") {
      fail<UsageError>(
          "compare: '{}' cannot be of the frontier: its method is '{}' (hint: the frontier is made "
          "of runs from scratch)",
          run.name, info.method);
    }
  }
  for (const std::string& name : frontier) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    fail<UsageError>(
        "compare: --frontier '{}' is none of the runs (hint: {})", name,
        did_you_mean(name, names, fmt::format("they are '{}'", fmt::join(names, "', '"))));
  }
}

void note_baseline_minimum(const LossCurve& curve, const std::string& name,
                           std::vector<std::string>& notes) {
  const auto best =
      std::min_element(curve.begin(), curve.end(),
                       [](const LossPoint& a, const LossPoint& b) { return a.loss < b.loss; });
  if (best->loss < curve.back().loss) {
    notes.push_back(fmt::format(
        "'{}' was better before its end: loss {:.4f} at {}, {:.4f} at the end; its end is compared",
        name, best->loss, format_flops(best->cost.flops), curve.back().loss));
  }
}

// Finds what the model was when it had the baseline's loss for good, and when it had all layers.
void measure_layers(ComparedRun& run, const LossCurve& curve, const LossPoint& target) {
  if (!run.equal_loss.flops_saved_for_good) return;
  const double crossing = (1.0 - *run.equal_loss.flops_saved_for_good) * target.cost.flops;
  const auto& growths = run.history.growths;
  run.layers_at_loss = growths.empty() ? run.history.info.layers : growths.front().from;
  for (const Growth& growth : growths) {
    if (growth.cost.flops <= crossing) run.layers_at_loss = growth.to;
  }
  LossCurve whole = curve;
  if (!growths.empty()) {
    std::erase_if(whole, [&](const LossPoint& point) {
      return point.cost.flops < growths.back().cost.flops;
    });
  }
  const auto cost = cost_below_loss_for_good(whole, target.loss);
  if (cost) run.flops_saved_all_layers = 1.0 - cost->flops / target.cost.flops;
}

// Measures every run against the one with which it is paired.
void measure_runs(Comparison& comparison) {
  std::vector<LossCurve> curves;
  for (const ComparedRun& run : comparison.runs) {
    curves.push_back(full_depth_curve(run.history));
    if (curves.back().empty()) {
      fail<DataError>(
          "{}: no evaluation at full depth ({} layers), nothing to compare (hint: set "
          "eval.depths to [\"stage\", \"full\"], or let the run reach its last stage)",
          (run.history.folder / "metrics.jsonl").string(), run.history.info.layers);
    }
  }
  auto& notes = comparison.notes;
  for (size_t i = 0; i < comparison.runs.size(); ++i) {
    if (comparison.runs[i].is_baseline) {
      note_baseline_minimum(curves[i], comparison.runs[i].name, notes);
    }
  }
  for (size_t i = 0; i < comparison.runs.size(); ++i) {
    ComparedRun& run = comparison.runs[i];
    run.final = full_depth_evaluations(run.history).back();
    for (std::string& note : run_notes(run.history, run.name))
      notes.push_back(std::move(note));
    if (!run.pair) {
      notes.push_back(fmt::format("'{}' ({}) has no run of '{}' to be paired with", run.name,
                                  run.budget, comparison.runs[comparison.baseline].group));
      continue;
    }
    const LossCurve& baseline = curves[*run.pair];
    // The baseline reaches its own last loss at its end, even if it touched that loss before.
    run.equal_loss =
        *run.pair == i ? equal_loss({baseline.back()}, baseline) : equal_loss(curves[i], baseline);
    if (*run.pair == i) run.equal_loss.is_range = false;
    measure_layers(run, curves[i], baseline.back());
    run.equal_flops = equal_flops(curves[i], baseline);
    if (run.equal_loss.ended_above) {
      notes.push_back(fmt::format(
          "'{}' reached the baseline's loss and ended above it again: nothing is saved for good",
          run.name));
    }
  }
}

// A mean over only the runs that got there flatters those that did not.
void note_group_faults(Comparison& comparison) {
  if (!comparison.is_grouped) return;
  for (const RunGroup& group : comparison.groups) {
    if (group.num_reached == group.num_pairs || group.num_reached == 0) continue;
    comparison.notes.push_back(fmt::format(
        "'{}' ({}) reached the baseline's loss with {} of {} seeds: its savings at equal loss are "
        "the mean of these alone",
        group.name, group.budget, group.num_reached, group.num_pairs));
  }
}

// A run that ends above the frontier has lost against a model that anyone could have trained.
void note_frontier(Comparison& comparison) {
  for (const RunGroup& group : comparison.groups) {
    if (!group.frontier) continue;
    const auto& best = group.frontier->best;
    if (!best) {
      comparison.notes.push_back(
          fmt::format("'{}' ({}) has no run from scratch of its seeds and FLOPs on the frontier",
                      group.name, group.budget));
    } else if (best->difference.mean > 0.0) {
      comparison.notes.push_back(fmt::format(
          "'{}' ({}) {}: for the same FLOPs '{}' ({} layers from scratch) ends at {:.4f}, it at "
          "{:.4f}",
          group.name, group.budget, group.frontier->verdict(), best->name, best->layers,
          best->loss.mean, group.final_loss->mean));
    }
  }
}

// If a run starts from a trained model, notes whether its saving has paid for that. It does so once
// for runs that differ only in seed or budget.
void note_sources(Comparison& comparison) {
  for (const ComparedRun& run : comparison.runs) {
    const StartRow& info = run.history.info;
    if (info.source.empty()) continue;
    const std::string cost = !info.source_flops ? "whose cost is unknown: NOT counted in it"
                             : info.source_charged
                                 ? "counted in it: " + format_flops(*info.source_flops)
                                 : "NOT counted in it: " + format_flops(*info.source_flops);
    note_once(comparison, fmt::format("'{}' begins from a trained model, {}", run.group, cost));
  }
}

}  // namespace

std::vector<std::string> run_notes(const RunHistory& run, const std::string& name) {
  std::vector<std::string> notes;
  if (!run.end) {
    notes.push_back(fmt::format("'{}' has not ended: read up to step {}", name,
                                static_cast<int64_t>(run.steps.step.back())));
  } else if (run.end->reason == "diverged") {
    notes.push_back(fmt::format("'{}' diverged at step {}", name, run.end->step));
  } else if (run.end->reason == "early_stopping") {
    notes.push_back(fmt::format("'{}' ended early at step {}, before its learning rate had decayed",
                                name, run.end->step));
  } else if (run.end->reason != "finished") {
    notes.push_back(
        fmt::format("'{}' was stopped by a {} at step {}", name, run.end->reason, run.end->step));
  }
  if (run.num_resumes > 0) {
    notes.push_back(fmt::format("'{}' was resumed {} time{}", name, run.num_resumes,
                                run.num_resumes == 1 ? "" : "s"));
  }
  return notes;
}

Comparison single_run(const RunHistory& run) {
  Comparison comparison;
  ComparedRun alone;
  alone.name = run.info.name;
  alone.history = run;
  const std::vector<Evaluation> evaluations = full_depth_evaluations(run);
  if (evaluations.empty()) {
    alone.final.cost = run.total;
    alone.final.loss = std::numeric_limits<double>::quiet_NaN();
  } else {
    alone.final = evaluations.back();
  }
  comparison.runs.push_back(std::move(alone));
  pair_runs(comparison);
  comparison.runs.front().pair = std::nullopt;
  comparison.groups = group_runs(comparison);
  return comparison;
}

Comparison compare_runs(std::vector<RunHistory> runs, const CompareOptions& options) {
  if (runs.size() < 2) {
    fail<UsageError>(
        "compare: expected two runs or more, found {} (hint: `apollo report RUN` "
        "shows one)",
        runs.size());
  }
  const std::vector<std::string> names = unique_names(runs);
  Comparison comparison;
  comparison.power = options.power;
  comparison.baseline = find_baseline(runs, names, options.baseline);
  for (size_t i = 0; i < runs.size(); ++i) {
    comparison.runs.push_back({});
    comparison.runs.back().name = names[i];
    comparison.runs.back().history = std::move(runs[i]);
  }
  pair_runs(comparison);
  mark_frontier(comparison, options.frontier);
  check_comparable(comparison, options.force);
  note_differences(comparison);
  note_depths(comparison);
  measure_runs(comparison);
  comparison.groups = group_runs(comparison);
  note_group_faults(comparison);
  note_frontier(comparison);
  note_sources(comparison);
  comparison.config_differences = config_differences(comparison.runs);
  return comparison;
}

Comparison compare_folders(std::vector<std::filesystem::path> folders,
                           const CompareOptions& options) {
  const std::filesystem::path baseline = options.baseline;
  const bool is_among = std::any_of(folders.begin(), folders.end(), [&](const auto& folder) {
    std::error_code ignored;
    return std::filesystem::equivalent(folder, baseline, ignored);
  });
  if (!is_among && std::filesystem::exists(baseline / "metrics.jsonl")) {
    folders.insert(folders.begin(), baseline);
  }
  return compare_runs(read_runs(folders), options);
}

}  // namespace apollo
