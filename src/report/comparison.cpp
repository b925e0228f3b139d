#include "report/comparison.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "base/spelling.h"
#include "base/units.h"

namespace apollo {
namespace {

struct Trait {
  std::string name;
  std::string value;
  bool may_be_missing = false;  // a folder may have lost its run.toml, a log be of before the field
};

// A key's value, or "" where the run's folder has no run.toml.
std::string config_value(const RunHistory& run, const std::string& key) {
  const auto found = std::find_if(run.config.begin(), run.config.end(),
                                  [&](const ConfigEntry& entry) { return entry.first == key; });
  return found == run.config.end() ? "" : found->second;
}

// What must agree for losses to be the same quantity and models the same model.
std::vector<Trait> binding_traits(const RunHistory& run) {
  const StartRow& info = run.info;
  std::vector<Trait> traits = {
      {"training data", info.train_data},
      {"validation data", info.valid_data},
      {"tokenizer", info.tokenizer},
      {"architecture", info.architecture},
      {"layers", std::to_string(info.layers)},
      {"width", std::to_string(info.width)},
      {"heads", std::to_string(info.heads)},
      {"context", std::to_string(info.context)},
      {"vocab_size", std::to_string(info.vocab_size)},
      {"eval.max_tokens", config_value(run, "eval.max_tokens"), /*may_be_missing=*/true}};
  if (info.architecture != "bert") return traits;
  // They decide what is to be predicted, and from what.
  for (const char* key :
       {"data.masked_fraction", "data.mask_whole_words", "data.separate_documents"}) {
    traits.push_back({key, config_value(run, key), /*may_be_missing=*/true});
  }
  return traits;
}

// What a fair experiment keeps equal as well, unless it is what the experiment is about.
std::vector<Trait> noted_traits(const RunHistory& run) {
  const StartRow& info = run.info;
  return {
      {"batch size", std::to_string(info.batch_size)},
      {"peak learning rate", config_value(run, "train.lr"), /*may_be_missing=*/true},
      {"learning-rate schedule", config_value(run, "train.lr_schedule"), /*may_be_missing=*/true},
      {"optimizer", info.optimizer, /*may_be_missing=*/true},
      {"seed", std::to_string(info.seed)},
      {"device", info.device},
      {"threads", std::to_string(info.threads)},
      {"precision", info.precision},
      {"kernels", info.kernels},
      {"library of matrix products", info.matmul, /*may_be_missing=*/true}};
}

// Of two architectures one may have traits more.
std::string differences(const std::vector<Trait>& run, const std::vector<Trait>& baseline) {
  std::string text;
  for (size_t i = 0; i < std::min(run.size(), baseline.size()); ++i) {
    if (run[i].value == baseline[i].value) continue;
    const bool is_unknown = run[i].value.empty() || baseline[i].value.empty();
    if (run[i].may_be_missing && is_unknown) continue;
    text += fmt::format("{}{} ('{}' against '{}')", text.empty() ? "" : ", ", run[i].name,
                        run[i].value, baseline[i].value);
  }
  return text;
}

// The runs' own names, with the folder where two share one.
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

// The baseline is of the frontier as well where it is from scratch: it is one of the depths.
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

// Throws, or notes where forced, what makes losses of the runs other quantities.
void check_comparable(Comparison& comparison, bool force) {
  const ComparedRun& baseline = comparison.runs[comparison.baseline];
  constexpr size_t kMostNamed = 3;
  std::vector<std::string> faults;
  for (const ComparedRun& run : comparison.runs) {
    auto traits = binding_traits(run.history);
    auto baseline_traits = binding_traits(baseline.history);
    if (comparison.has_frontier) {
      for (auto* of_run : {&traits, &baseline_traits})
        std::erase_if(*of_run, [](const Trait& trait) { return trait.name == "layers"; });
    }
    const std::string binding = differences(traits, baseline_traits);
    if (binding.empty()) continue;
    faults.push_back(fmt::format("'{}' differs from '{}' in {}", run.name, baseline.name, binding));
  }
  const size_t num_named = std::min(faults.size(), kMostNamed);
  std::string refused = fmt::format(
      "{}", fmt::join(faults.begin(), faults.begin() + static_cast<ptrdiff_t>(num_named), "; "));
  if (faults.size() > num_named) {
    refused += fmt::format("; and {} more", faults.size() - num_named);
  }
  if (refused.empty()) return;
  if (!force) {
    fail<UsageError>(
        "compare: the runs are not comparable: {} (hint: --force compares them anyway)", refused);
  }
  comparison.notes.push_back("NOT COMPARABLE, forced: " + refused);
}

void note_once(Comparison& comparison, std::string note) {
  auto& notes = comparison.notes;
  if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(std::move(note));
}

// Of groups, once what all their runs share; seeds are what the runs of a group are to differ in.
void note_differences(Comparison& comparison) {
  const bool grouped = comparison.is_grouped;
  for (const ComparedRun& run : comparison.runs) {
    if (!run.pair) continue;
    const ComparedRun& pair = comparison.runs[*run.pair];
    const std::string noted = differences(noted_traits(run.history), noted_traits(pair.history));
    if (noted.empty()) continue;
    note_once(comparison,
              fmt::format("'{}' differs from '{}' in {}", grouped ? run.group : run.name,
                          grouped ? pair.group : pair.name, noted));
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

// What the model was when it had the baseline's loss for good, and when all layers were there.
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

// Every run against the one that it is paired with.
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
    // The baseline reaches its own last loss at its end, whatever it touched on the way.
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

// A mean over the runs that got there flatters those that did not.
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

// What ends above the frontier has lost against a model that anyone could have trained.
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

// Where a run begins from a trained model, whether its saving has paid for that; once for runs that
// differ in seed or budget alone.
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

std::vector<ConfigDifference> config_differences(const std::vector<ComparedRun>& runs) {
  std::vector<std::string> keys;
  for (const ComparedRun& run : runs) {
    for (const ConfigEntry& entry : run.history.config) {
      if (std::find(keys.begin(), keys.end(), entry.first) == keys.end()) {
        keys.push_back(entry.first);
      }
    }
  }
  std::vector<ConfigDifference> chosen;
  for (const std::string& key : keys) {
    if (key == "run.name") continue;
    ConfigDifference difference{key, {}};
    for (const ComparedRun& run : runs) {
      difference.values.push_back(config_value(run.history, key));
    }
    const auto& values = difference.values;
    if (std::any_of(values.begin(), values.end(),
                    [&](const std::string& value) { return value != values.front(); })) {
      chosen.push_back(std::move(difference));
    }
  }
  return chosen;
}

Json number(std::optional<double> value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json run_json(const ComparedRun& run, const PowerOptions& power) {
  const Cost& cost = run.final.cost;
  const auto energy = energy_use(cost, power);
  const auto of_energy = [&](auto get) { return energy ? number(get(*energy, power)) : Json(); };
  const auto reached = [&](double Cost::*part) {
    return run.equal_loss.cost ? number((*run.equal_loss.cost).*part) : Json(nullptr);
  };
  Json equal_loss = {{"loss", run.pair ? number(run.equal_loss.loss) : Json(nullptr)},
                     {"flops_saved", number(run.equal_loss.flops_saved)},
                     {"wall_saved", number(run.equal_loss.wall_saved)},
                     {"tokens_saved", number(run.equal_loss.tokens_saved)},
                     {"energy_saved", number(run.equal_loss.energy_saved)},
                     {"flops_saved_for_good", number(run.equal_loss.flops_saved_for_good)},
                     {"wall_saved_for_good", number(run.equal_loss.wall_saved_for_good)},
                     {"tokens_saved_for_good", number(run.equal_loss.tokens_saved_for_good)},
                     {"flops_saved_least", number(run.equal_loss.flops_saved_least)},
                     {"flops_saved_most", number(run.equal_loss.flops_saved_most)},
                     {"is_range", run.equal_loss.is_range},
                     {"layers", run.layers_at_loss ? Json(*run.layers_at_loss) : Json(nullptr)},
                     {"flops_saved_all_layers", number(run.flops_saved_all_layers)},
                     {"flops", reached(&Cost::flops)},
                     {"wall_s", reached(&Cost::wall_s)},
                     {"tokens", reached(&Cost::tokens)}};
  Json equal_flops = {{"flops", run.pair ? number(run.equal_flops.flops) : Json(nullptr)},
                      {"loss", number(run.equal_flops.loss)},
                      {"baseline_loss", number(run.equal_flops.baseline_loss)}};
  Json growths = Json::array();
  for (const Growth& growth : run.history.growths) {
    growths.push_back({{"step", growth.step},
                       {"from", growth.from},
                       {"to", growth.to},
                       {"loss_before", number(growth.loss_before)},
                       {"loss_after", number(growth.loss_after)}});
  }
  return {{"name", run.name},
          {"folder", run.history.folder.string()},
          {"method", run.history.info.method},
          {"seed", run.history.info.seed},
          {"budget", run.budget},
          {"final_loss", number(run.final.loss)},
          {"ppl", number(run.final.ppl)},
          {"bpb", number(run.final.bpb)},
          {"accuracy", number(run.final.accuracy)},
          {"flops", number(cost.flops)},
          {"eval_flops", number(run.history.eval_flops)},
          {"wall_s", number(cost.wall_s)},
          {"tokens", number(cost.tokens)},
          {"energy_j", number(cost.energy_j)},
          {"estimated_energy_j", energy && energy->is_estimate ? Json(energy->joules) : Json()},
          {"cost", of_energy(money)},
          {"g_co2e", of_energy(grams_co2e)},
          {"equal_loss", std::move(equal_loss)},
          {"equal_flops", std::move(equal_flops)},
          {"growths", std::move(growths)}};
}

}  // namespace

std::vector<std::string> run_notes(const RunHistory& run, const std::string& name) {
  std::vector<std::string> notes;
  if (!run.end) {
    notes.push_back(fmt::format("'{}' has not ended: read up to step {}", name,
                                static_cast<int64_t>(run.steps.step.back())));
  } else if (run.end->reason == "diverged") {
    notes.push_back(fmt::format("'{}' diverged at step {}", name, run.end->step));
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

Json to_json(const Comparison& comparison) {
  Json runs = Json::array();
  for (const ComparedRun& run : comparison.runs)
    runs.push_back(run_json(run, comparison.power));
  Json groups = Json::array();
  for (const RunGroup& group : comparison.groups)
    groups.push_back(to_json(group, comparison));
  Json tuning = Json::array();
  for (const TuningTrial& trial : comparison.tuning) {
    tuning.push_back({{"name", trial.group},
                      {"values", trial.values},
                      {"budget", trial.budget},
                      {"seed", trial.seed},
                      {"loss", number(trial.loss)},
                      {"fault", trial.fault.empty() ? Json() : Json(trial.fault)},
                      {"best", trial.is_best},
                      {"folder", trial.folder}});
  }
  const ComparedRun& baseline = comparison.runs[comparison.baseline];
  return {{"baseline", comparison.is_grouped ? baseline.group : baseline.name},
          {"runs", std::move(runs)},
          {"groups", std::move(groups)},
          {"frontier", frontier_json(comparison)},
          {"tuning", std::move(tuning)},
          {"notes", comparison.notes}};
}

}  // namespace apollo
