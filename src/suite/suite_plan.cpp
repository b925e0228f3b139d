#include "suite/suite_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/duration.h"
#include "base/error.h"
#include "config/fields.h"
#include "config/objective.h"
#include "config/toml_io.h"
#include "data/batches.h"
#include "progressive/plan.h"
#include "progressive/resolve.h"
#include "progressive/source_model.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// Returns the final values of keys: the run's override the model's, and these override the suite's.
std::vector<Setting> merged_settings(const SuiteFile& file, const SuiteModel& model,
                                     const SuiteRun& run) {
  std::vector<Setting> merged;
  for (const auto* settings : {&file.settings, &model.settings, &run.settings}) {
    for (const Setting& setting : *settings) {
      const auto same = std::find_if(merged.begin(), merged.end(), [&](const Setting& other) {
        return other.key == setting.key;
      });
      if (same == merged.end()) {
        merged.push_back(setting);
      } else {
        *same = setting;
      }
    }
  }
  return merged;
}

// Returns every combination of the values, the last key fastest; one empty combination for no keys.
std::vector<std::vector<Setting>> combinations(const std::vector<TuneKey>& keys) {
  std::vector<std::vector<Setting>> all = {{}};
  for (const TuneKey& key : keys) {
    std::vector<std::vector<Setting>> longer;
    for (const auto& shorter : all) {
      for (const Setting& value : key.values) {
        longer.push_back(shorter);
        longer.back().push_back(value);
      }
    }
    all = std::move(longer);
  }
  return all;
}

// Returns a name for a folder, without characters that are special to a shell: "5e12 flops" ->
// "5e12-flops".
std::string folder_name(std::string text) {
  for (char& c : text) {
    const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' ||
                          c == '+' || c == '=' || c == '-' || c == ',';
    if (!is_plain) c = '-';
  }
  std::erase(text, '"');
  return text;
}

// "progressive.rehearse_from=0.8" -> "rehearse_from=0.8"
std::string choice_name(const std::vector<std::string>& choice) {
  std::vector<std::string> parts;
  for (const std::string& part : choice) {
    std::string value = part.substr(part.find('=') + 1);
    std::erase(value, '"');
    const std::string key = part.substr(0, part.find('='));
    parts.push_back(key.substr(key.find('.') + 1) + "=" + value);
  }
  return fmt::format("{}", fmt::join(parts, ","));
}

class Planner {
 public:
  Planner(SuiteFile file, fs::path out, const SuitePlanOptions& options)
      : plan_{std::move(file), std::move(out), {}, {}}, data_(options) {}

  SuitePlan plan() {
    for (const SuiteModel& model : plan_.file.models) {
      for (const SuiteRun& run : plan_.file.runs)
        plan_group(model, run);
    }
    ResolvedConfig place;
    place.file = plan_.file.path;
    throw_if_any(std::move(faults_), place);
    return std::move(plan_);
  }

 private:
  enum class Kind { kSource, kTried, kCompared };

  // One run that is being put together, so that faults are assigned to the right line.
  struct Draft {
    const SuiteModel& model;
    const SuiteRun& run;
    std::vector<Setting> settings;
    std::vector<Setting> choice;
  };

  void plan_group(const SuiteModel& model, const SuiteRun& run) {
    const SuiteFile& file = plan_.file;
    const std::vector<TuneKey>& keys = run.tune ? *run.tune : file.tune;
    const auto grid = combinations(keys);
    Draft draft{model, run, merged_settings(file, model, run), grid.front()};
    std::erase_if(draft.settings, [&](const Setting& setting) {
      return std::any_of(keys.begin(), keys.end(),
                         [&](const TuneKey& key) { return key.key == setting.key; });
    });
    // If a base cannot be read, its faults are reported once, with the run's first config.
    const auto first = resolve(draft, nullptr, nullptr);
    if (!first) return;
    if (run.is_frontier && first->config.progressive.method != "scratch") {
      faults_.push_back(
          {run.where,
           fmt::format("run '{}': a run of the frontier is trained from scratch (its method is "
                       "'{}')",
                       run.name, first->config.progressive.method),
           "set = {\"progressive.method\" = \"scratch\", \"model.layers\" = 3}"});
      return;
    }
    const std::vector<Duration> budgets = budgets_of(draft, *first);
    const std::vector<uint64_t> seeds = !run.seeds.empty()    ? run.seeds
                                        : !file.seeds.empty() ? file.seeds
                                                              : std::vector{first->config.run.seed};
    if (keys.empty()) return plan_budgets(draft, /*grid=*/{}, seeds, budgets);
    if (!file.tune_each_budget) return plan_budgets(draft, grid, seeds, budgets);
    for (const Duration& budget : budgets)
      plan_budgets(draft, grid, seeds, {budget});
  }

  // Plans the runs of these budgets, with those values of `grid` that do best at one of them. With
  // an empty grid nothing is tuned.
  void plan_budgets(Draft draft, const std::vector<std::vector<Setting>>& grid,
                    const std::vector<uint64_t>& seeds, const std::vector<Duration>& budgets) {
    const SuiteFile& file = plan_.file;
    PlannedGroup group{draft.model.name, draft.run.name, {}, {}};
    const uint64_t tune_seed = file.tune_seed.value_or(seeds.front());
    const Duration tune_budget =
        draft.model.tune_budget.value_or(file.tune_budget.value_or(budgets.front()));
    const std::vector<Setting> first = draft.choice;
    for (const auto& choice : grid) {
      draft.choice = choice;
      append(group.tuning, draft, tune_budget, tune_seed, Kind::kTried);
    }
    draft.choice = first;
    for (const uint64_t seed : seeds) {
      for (const Duration& budget : budgets)
        append(group.runs, draft, budget, seed, Kind::kCompared);
    }
    plan_.groups.push_back(std::move(group));
  }

  std::vector<Duration> budgets_of(const Draft& draft, const ResolvedConfig& resolved) const {
    for (const auto* budgets : {&draft.run.budgets, &draft.model.budgets, &plan_.file.budgets}) {
      if (!budgets->empty()) return *budgets;
    }
    return {resolved.config.train.duration};
  }

  fs::path source_folder(const SuiteModel& model, const std::string& source, uint64_t seed) const {
    return plan_.model_folder(model.name) / "source" / source / fmt::format("seed-{}", seed);
  }

  // Returns the source from which the run of this seed starts; it is planned when the first run
  // asks for it. nullopt if its config is refused.
  std::optional<SourceModel> source_of(const Draft& draft, uint64_t seed) {
    const fs::path folder = source_folder(draft.model, draft.run.source, seed);
    const auto known = [&] {
      return std::find_if(plan_.sources.begin(), plan_.sources.end(),
                          [&](const PlannedRun& run) { return run.folder == folder; });
    };
    if (known() == plan_.sources.end()) plan_source(draft.model, draft.run.source, seed);
    const auto found = known();
    if (found == plan_.sources.end()) return std::nullopt;
    // Named without its seed, so that a fault shared by all seeds is reported once.
    return SourceModel{
        .folder = folder.parent_path(),
        .shape = model_shape(found->config, found->config.model.vocab_size),
        .rope = model_rope(found->config),
        .tokenizer_hash = found->tokenizer,
        .cost = TrainingCost{found->flops, 0.0},
    };
  }

  void plan_source(const SuiteModel& model, const std::string& name, uint64_t seed) {
    const auto source =
        std::find_if(plan_.file.sources.begin(), plan_.file.sources.end(),
                     [&](const SuiteSource& candidate) { return candidate.name == name; });
    SuiteRun run;
    run.name = name;
    run.where = source->where;
    run.settings = source->settings;
    const Draft draft{model, run, merged_settings(plan_.file, model, run), {}};
    const auto first = resolve(draft, nullptr, &seed);
    if (!first) return;
    append(plan_.sources, draft, source->budget.value_or(first->config.train.duration), seed,
           Kind::kSource);
  }

  std::vector<std::string> overrides_of(const Draft& draft, const Duration* budget,
                                        const uint64_t* seed) const {
    std::vector<std::string> overrides = {"run.name=" + toml_text(draft.run.name)};
    if (seed != nullptr) overrides.push_back(fmt::format("run.seed={}", *seed));
    for (const Setting& setting : draft.settings) {
      if (budget == nullptr || setting.key != "train.duration") overrides.push_back(setting.text());
    }
    if (budget != nullptr) overrides.push_back("train.duration=" + toml_text(*budget));
    if (!draft.run.source.empty()) {
      // The source may not exist yet, but the run must be the same when it does.
      std::vector<Diagnostic> faults;
      for (const std::string& own :
           settings_before_source(read_run_config(draft.model.base, overrides, faults))) {
        overrides.push_back(own);
      }
      const fs::path folder = source_folder(draft.model, draft.run.source, seed ? *seed : 0);
      overrides.push_back("model.from=" + toml_text(fs::absolute(folder).string()));
    }
    for (const Setting& setting : draft.choice)
      overrides.push_back(setting.text());
    return overrides;
  }

  // Returns nullopt if the config is refused; its faults are kept, each once.
  std::optional<ResolvedConfig> resolve(const Draft& draft, const Duration* budget,
                                        const uint64_t* seed) {
    try {
      return resolve_run_config(draft.model.base, overrides_of(draft, budget, seed));
    } catch (const ConfigError& error) {
      for (const Diagnostic& fault : error.diagnostics())
        add_fault(draft, fault);
      return std::nullopt;
    }
  }

  // A fault of a value that the suite set points there; the message names its key.
  void add_fault(const Draft& draft, Diagnostic fault) {
    if (fault.where == "--set" || !fault.where.starts_with(draft.model.base.string() + ":")) {
      std::string where = draft.run.where;
      // "train.lr must be ..." names the whole key, "unknown method ..." its last part.
      for (const bool whole : {false, true}) {
        for (const auto* settings : {&draft.settings, &draft.choice}) {
          for (const Setting& setting : *settings) {
            const std::string& key = setting.key;
            const std::string name = whole ? key : key.substr(key.find('.') + 1) + " '";
            if (fault.message.find(name) != std::string::npos) where = setting.where;
          }
        }
      }
      fault.where = where;
      fault.message = fmt::format("run '{}': {}", draft.run.name, fault.message);
    }
    const std::string text = fault.where + fault.message;
    if (told_.insert(text).second) faults_.push_back(std::move(fault));
  }

  fs::path folder_of(const PlannedRun& run, Kind kind, const SuiteModel& model) const {
    if (kind == Kind::kSource) return source_folder(model, run.name, run.seed);
    const fs::path folder =
        fs::path(run.name) / folder_name(run.budget) / fmt::format("seed-{}", run.seed);
    const fs::path place = plan_.model_folder(run.model);
    if (kind == Kind::kCompared) return place / folder;
    return place / "tune" / folder / folder_name(choice_name(run.choice));
  }

  void append(std::vector<PlannedRun>& runs, const Draft& draft, const Duration& budget,
              uint64_t seed, Kind kind) {
    const auto resolved = resolve(draft, &budget, &seed);
    if (!resolved) return;
    PlannedRun run;
    run.model = draft.model.name;
    run.name = draft.run.name;
    run.budget = to_string(budget);
    run.seed = seed;
    run.base = draft.model.base;
    run.overrides = overrides_of(draft, &budget, &seed);
    for (const Setting& setting : draft.choice)
      run.choice.push_back(setting.text());
    run.config = resolved->config;
    run.sets_threads = resolved->is_set("run.threads") && resolved->config.run.threads > 0;
    run.folder = folder_of(run, kind, draft.model);
    cost(run, draft, *resolved);
    runs.push_back(std::move(run));
  }

  void cost(PlannedRun& run, const Draft& draft, const ResolvedConfig& resolved) {
    const DataSummary data = data_.of(resolved);
    run.config.model.vocab_size = data.vocab_size;
    run.train_data = data.train;
    run.valid_data = data.valid;
    run.tokenizer = data.tokenizer;
    const int64_t sequences = num_sequences(resolved.config, data.tokens);
    if (sequences < 1) {
      fail<DataError>("run '{}': {} tokens are less than one sequence of a context of {}", run.name,
                      data.tokens, resolved.config.model.context);
    }
    try {
      const ModelShape shape = model_shape(resolved.config, data.vocab_size);
      std::optional<SourceModel> source;
      if (!draft.run.source.empty()) {
        source = source_of(draft, run.seed);
        if (!source) return;
        check_source(*source, resolved, shape, data.tokenizer);
      }
      const RunPlan plan =
          plan_run(resolved.config, shape, sequences, /*flops_per_second=*/0.0, source);
      run.steps = plan.steps;
      run.flops = plan.flops;
    } catch (const ConfigError& error) {
      for (const Diagnostic& fault : error.diagnostics())
        add_fault(draft, located(resolved, fault));
    }
  }

  SuitePlan plan_;
  DataSummaries data_;
  std::vector<Diagnostic> faults_;
  std::set<std::string> told_;
};

}  // namespace

std::string PlannedRun::label() const {
  std::string text = model.empty() ? name : model + "/" + name;
  text += fmt::format(", {}, seed {}", budget, seed);
  return choice.empty() ? text : text + ", " + choice_name(choice);
}

double SuitePlan::flops() const {
  double sum = 0.0;
  for_each_run([&](const PlannedRun& run, std::string_view) { sum += run.flops; });
  return sum;
}

int64_t SuitePlan::num_runs() const {
  int64_t count = 0;
  for_each_run([&](const PlannedRun&, std::string_view) { ++count; });
  return count;
}

std::vector<std::string> SuitePlan::frontier() const {
  std::vector<std::string> names;
  for (const SuiteRun& run : file.runs) {
    if (run.is_frontier) names.push_back(run.name);
  }
  return names;
}

SuitePlan plan_suite(SuiteFile file, const fs::path& out, const SuitePlanOptions& options) {
  return Planner(std::move(file), out, options).plan();
}

PlannedRun with_choice(PlannedRun run, const std::vector<std::string>& choice) {
  const size_t kept = run.overrides.size() - run.choice.size();
  run.overrides.resize(kept);
  run.overrides.insert(run.overrides.end(), choice.begin(), choice.end());
  run.choice = choice;
  const int64_t vocab_size = run.config.model.vocab_size;
  run.config = resolve_run_config(run.base, run.overrides).config;
  run.config.model.vocab_size = vocab_size;
  return run;
}

}  // namespace apollo
