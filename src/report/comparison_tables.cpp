#include "report/comparison_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/units.h"
#include "report/formats.h"

namespace apollo {
namespace {

constexpr const char* kOverSeeds =
    " ± is the sample deviation over the seeds; the interval is that of the mean, 95 %, by "
    "Student's t.";

// What a column shows about a group.
struct Column {
  std::string name;
  std::function<std::string(const RunGroup&)> cell;
};

std::vector<std::string> names_of(const std::vector<Column>& columns) {
  std::vector<std::string> names;
  for (const Column& column : columns)
    names.push_back(column.name);
  return names;
}

std::vector<std::string> row_of(const std::vector<Column>& columns, const RunGroup& group) {
  std::vector<std::string> row;
  for (const Column& column : columns)
    row.push_back(column.cell(group));
  return row;
}

Column mean_column(const std::string& name, std::optional<Spread> RunGroup::*value,
                   std::string (*format)(double)) {
  return {name, [value, format](const RunGroup& group) {
            return group.*value ? format((group.*value)->mean) : kUnknown;
          }};
}

// A saving, which some groups do not have.
Column saved_column(const std::string& name, std::optional<Spread> RunGroup::*value) {
  return {name, [value](const RunGroup& group) {
            return group.*value ? format_saved(group.*value) : kUnknown;
          }};
}

bool any_group(const Comparison& comparison, std::optional<Spread> RunGroup::*value) {
  return std::any_of(comparison.groups.begin(), comparison.groups.end(),
                     [&](const RunGroup& group) { return (group.*value).has_value(); });
}

bool any_saving(const Comparison& comparison, std::optional<Spread> RunGroup::*value) {
  return std::any_of(
      comparison.groups.begin(), comparison.groups.end(),
      [&](const RunGroup& group) { return !group.is_baseline && (group.*value).has_value(); });
}

// Returns "3", or "2 of 3" if not all seeds got there.
std::string seeds_text(int64_t reached, int64_t pairs) {
  return reached == pairs ? std::to_string(pairs) : fmt::format("{} of {}", reached, pairs);
}

std::string format_layers(const std::optional<Spread>& layers) {
  if (!layers) return kUnknown;
  if (layers->least == layers->greatest) return fmt::format("{:.0f}", layers->mean);
  return fmt::format("{:.0f} to {:.0f}", layers->least, layers->greatest);
}

std::vector<Column> name_columns(const Comparison& comparison) {
  std::vector<Column> columns = {{"run", [](const RunGroup& group) { return group.name; }}};
  if (comparison.is_grouped)
    columns.push_back({"budget", [](const RunGroup& group) { return group.budget; }});
  return columns;
}

std::vector<Column> loss_columns(const Comparison& comparison) {
  std::vector<Column> columns = {
      {"valid loss", [](const RunGroup& group) { return format_spread(group.final_loss, 4); }}};
  if (comparison.is_grouped) {
    columns.push_back({"95 % interval",
                       [](const RunGroup& group) { return format_interval(group.final_loss, 4); }});
  }
  if (any_group(comparison, &RunGroup::test_loss)) {
    columns.push_back(
        {"test loss", [](const RunGroup& group) { return format_spread(group.test_loss, 4); }});
  }
  // What the objective gives in addition to the loss.
  const auto format_ppl = [](double value) { return fmt::format("{:.2f}", value); };
  const auto format_bpb = [](double value) { return fmt::format("{:.4f}", value); };
  if (any_group(comparison, &RunGroup::ppl))
    columns.push_back(mean_column("ppl", &RunGroup::ppl, format_ppl));
  if (any_group(comparison, &RunGroup::bpb))
    columns.push_back(mean_column("bits/byte", &RunGroup::bpb, format_bpb));
  if (any_group(comparison, &RunGroup::accuracy))
    columns.push_back(mean_column("masked acc.", &RunGroup::accuracy, format_accuracy));
  return columns;
}

Table totals_table(const Comparison& comparison) {
  const bool grouped = comparison.is_grouped;
  Table table;
  table.title = comparison.runs.size() > 1 ? "Runs" : "Run";
  table.explanation =
      "Last validation loss (nats per predicted token) at full depth. FLOPs are those of training; "
      "evaluation and growth probes are charged apart.";
  if (grouped) table.explanation += std::string(" Costs are means.") + kOverSeeds;
  std::vector<Column> columns = name_columns(comparison);
  columns.insert(columns.begin() + 1, {"method", [&](const RunGroup& group) {
                                         const size_t first = group.runs.front();
                                         return comparison.runs[first].history.info.method;
                                       }});
  if (grouped) {
    columns.push_back(
        {"seeds", [](const RunGroup& group) { return std::to_string(group.runs.size()); }});
  }
  for (Column& column : loss_columns(comparison))
    columns.push_back(std::move(column));
  columns.push_back(mean_column("FLOPs", &RunGroup::flops, format_flops));
  columns.push_back(mean_column("evaluation", &RunGroup::eval_flops, format_flops));
  columns.push_back(mean_column("wall time", &RunGroup::wall_s, format_seconds));
  columns.push_back(mean_column("tokens", &RunGroup::tokens, format_count));
  if (any_group(comparison, &RunGroup::energy_j))
    columns.push_back(mean_column("energy", &RunGroup::energy_j, format_energy));
  table.header = names_of(columns);
  for (const RunGroup& group : comparison.groups)
    table.rows.push_back(row_of(columns, group));
  return table;
}

std::string equal_loss_explanation(const Comparison& comparison) {
  const ComparedRun& baseline = comparison.runs[comparison.baseline];
  std::string text =
      comparison.is_grouped
          ? fmt::format(
                "Saved at the last full-depth validation loss of '{}' with the same seed and "
                "budget, ",
                baseline.group)
          : fmt::format(
                "What it took to reach {:.4f}, the last full-depth validation loss of '{}'. "
                "Saved: ",
                baseline.final.loss, baseline.group);
  text +=
      "for good, from the last crossing on, linear between evaluations; a range where these lie "
      "further apart than 2 % of the budget. Layers: of the model there. All layers: from the last "
      "growth on. First: at the first crossing.";
  if (comparison.is_grouped) text += " The speed-up is that of the mean saving.";
  return comparison.is_grouped ? text + kOverSeeds : text;
}

Table equal_loss_table(const Comparison& comparison) {
  const bool grouped = comparison.is_grouped;
  std::vector<Column> columns = name_columns(comparison);
  if (grouped) {
    columns.push_back({"seeds", [](const RunGroup& group) {
                         return seeds_text(group.num_reached, group.num_pairs);
                       }});
  }
  columns.push_back(
      {"FLOPs saved", [](const RunGroup& group) { return format_saved_for_good(group); }});
  if (grouped) {
    columns.push_back({"95 % interval", [](const RunGroup& group) {
                         return group.is_range ? kUnknown
                                               : percent_interval(group.flops_saved_for_good);
                       }});
  }
  columns.push_back({"speed-up", [](const RunGroup& group) {
                       return group.is_range ? kUnknown
                                             : format_speed_up(group.flops_saved_for_good);
                     }});
  columns.push_back(
      {"layers", [](const RunGroup& group) { return format_layers(group.layers_at_loss); }});
  columns.push_back(saved_column("all layers", &RunGroup::flops_saved_all_layers));
  columns.push_back(
      {"first", [](const RunGroup& group) { return format_saved(group.flops_saved); }});
  columns.push_back(saved_column("time saved", &RunGroup::wall_saved_for_good));
  columns.push_back(saved_column("tokens saved", &RunGroup::tokens_saved_for_good));
  if (any_saving(comparison, &RunGroup::energy_saved))
    columns.push_back(saved_column("energy saved", &RunGroup::energy_saved));
  Table table{"Equal loss", equal_loss_explanation(comparison), names_of(columns), {}};
  for (const RunGroup& group : comparison.groups) {
    if (!group.is_baseline && group.num_pairs > 0) table.rows.push_back(row_of(columns, group));
  }
  return table;
}

std::string equal_budget_explanation(const Comparison& comparison, bool has_savings) {
  const std::string& baseline = comparison.runs[comparison.baseline].group;
  std::string text =
      comparison.is_grouped
          ? fmt::format(
                "Every run at the end of its budget, learning rate decayed, against '{}' with the "
                "same seed and budget.",
                baseline)
          : fmt::format(
                "Full-depth validation loss at the same FLOPs: the end of the shorter of the run "
                "and '{}'.",
                baseline);
  if (has_savings) {
    text +=
        " Saved: against the FLOPs at which the baseline's runs would have ended with the same "
        "loss, log FLOPs interpolated between its budgets; ≥ and ≤ are bounds, beyond the "
        "baseline's budgets.";
  }
  return comparison.is_grouped ? text + kOverSeeds : text;
}

Table equal_budget_table(const Comparison& comparison) {
  const bool grouped = comparison.is_grouped;
  const bool has_savings = any_saving(comparison, &RunGroup::budget_saved);
  std::vector<Column> columns = name_columns(comparison);
  if (grouped) {
    columns.push_back(
        {"n", [](const RunGroup& group) { return std::to_string(group.runs.size()); }});
  }
  columns.push_back(mean_column("at FLOPs", &RunGroup::common_flops, format_flops));
  columns.push_back(
      {"loss", [](const RunGroup& group) { return format_spread(group.common_loss, 4); }});
  columns.push_back({"baseline's loss", [](const RunGroup& group) {
                       return format_spread(group.common_baseline_loss, 4);
                     }});
  columns.push_back(
      {"difference", [](const RunGroup& group) { return format_jump(group.loss_difference); }});
  if (grouped) {
    columns.push_back({"95 % interval", [](const RunGroup& group) {
                         return format_interval(group.loss_difference, 4);
                       }});
  }
  if (has_savings) {
    const auto saved = [](auto&& format) {
      return [format](const RunGroup& group) {
        return group.budget_saved ? format(group) : std::string(kUnknown);
      };
    };
    columns.push_back({"FLOPs saved", saved([](const RunGroup& group) {
                         return format_saved(group.budget_saved, group.budget_bound);
                       })});
    columns.push_back({"95 % interval", saved([](const RunGroup& group) {
                         return percent_interval(group.budget_saved, group.budget_bound);
                       })});
    columns.push_back({"speed-up", saved([](const RunGroup& group) {
                         return format_speed_up(group.budget_saved, group.budget_bound);
                       })});
  }
  Table table{
      "Equal budget", equal_budget_explanation(comparison, has_savings), names_of(columns), {}};
  for (const RunGroup& group : comparison.groups) {
    if (!group.is_baseline) table.rows.push_back(row_of(columns, group));
  }
  return table;
}

Table growth_table(const Comparison& comparison) {
  const std::vector<Column> names = name_columns(comparison);
  Table table;
  table.title = "Growth";
  table.explanation =
      "Full-depth validation loss just before and just after layers were added, and its jump; "
      "gradient: the greatest norm of the 20 steps after, over the median of the 20 before.";
  if (comparison.is_grouped) {
    table.explanation += " ± is the sample deviation over the seeds.";
  }
  table.header = names_of(names);
  for (const char* name :
       {"after step", "layers", "loss before", "loss after", "jump", "gradient"}) {
    table.header.push_back(name);
  }
  for (const RunGroup& group : comparison.groups) {
    for (const GrowthSummary& growth : group.growths) {
      std::vector<std::string> row = row_of(names, group);
      row.insert(row.end(), {fmt::format("{:.0f}", growth.step.mean),
                             fmt::format("{} → {}", growth.from, growth.to),
                             format_spread(growth.loss_before, 4),
                             format_spread(growth.loss_after, 4), format_jump(growth.jump),
                             growth.gradient ? format_spread(growth.gradient, 2) + "x" : kUnknown});
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

// Shows the runs behind every mean; no rows if there are none.
Table seeds_table(const Comparison& comparison) {
  Table table;
  table.title = "Each run";
  table.explanation = "One run folder a row: what the means above are made of.";
  table.header = {"run",   "seed",      "budget",      "valid loss",
                  "FLOPs", "wall time", "FLOPs saved", "folder"};
  if (!comparison.is_grouped) return table;
  for (const ComparedRun& run : comparison.runs) {
    table.rows.push_back({run.group, std::to_string(run.history.info.seed), run.budget,
                          fmt::format("{:.4f}", run.final.loss), format_flops(run.final.cost.flops),
                          format_seconds(run.final.cost.wall_s),
                          run.is_baseline ? "baseline"
                          : run.pair      ? format_saved_for_good(run.equal_loss)
                                          : "no pair",
                          run.history.folder.string()});
  }
  return table;
}

std::vector<Table> tables_with_rows(std::vector<Table> tables) {
  std::erase_if(tables, [](const Table& table) { return table.rows.empty(); });
  return tables;
}

}  // namespace

std::vector<Table> comparison_tables(const Comparison& comparison) {
  return tables_with_rows({totals_table(comparison), equal_loss_table(comparison),
                           equal_budget_table(comparison), growth_table(comparison),
                           seeds_table(comparison), frontier_table(comparison),
                           energy_table(comparison), tuning_table(comparison)});
}

std::vector<Table> run_tables(const RunHistory& run) {
  const Comparison alone = single_run(run);
  return tables_with_rows({totals_table(alone), growth_table(alone)});
}

Table tuning_table(const Comparison& comparison) {
  Table table;
  table.title = "Tuning";
  table.explanation =
      "Values tried before, by the last full-depth validation loss; the best at each budget, "
      "marked with *, was taken for all seeds, and for the budgets at which nothing was tried.";
  table.header = {"run", "tried", "budget", "seed", "valid loss", "folder"};
  for (const TuningTrial& trial : comparison.tuning) {
    const std::string loss = trial.loss ? fmt::format("{:.4f}", *trial.loss) : trial.fault;
    table.rows.push_back({trial.group, trial.values, trial.budget, std::to_string(trial.seed),
                          trial.is_best ? "* " + loss : loss, trial.folder});
  }
  return table;
}

Table frontier_table(const Comparison& comparison) {
  Table table;
  table.title = "Against the frontier";
  table.explanation =
      "The frontier is the least final loss of a model from scratch, of any depth that was tried, "
      "over its FLOPs. Best shallower: of fewer layers, with the same seeds and FLOPs. Saved: "
      "against the FLOPs at which the frontier, or the same depth from scratch, ends with the same "
      "loss; ≥ and ≤ are bounds, beyond the budgets that were measured. ± is the sample deviation "
      "over the n seeds; the interval is that of the mean saving, 95 %, by Student's t.";
  table.header = {"run",
                  "budget",
                  "n",
                  "loss",
                  "best shallower",
                  "its loss",
                  "frontier saved",
                  "95 % interval",
                  "same depth saved",
                  "verdict"};
  for (const RunGroup& group : comparison.groups) {
    if (!group.frontier) continue;
    const FrontierSummary& frontier = *group.frontier;
    const auto& rival = frontier.shallower;
    const auto saved = [](const std::optional<Spread>& spread, Bound bound) {
      return spread ? format_saved(spread, bound) : kUnknown;
    };
    table.rows.push_back(
        {group.name, group.budget, std::to_string(group.runs.size()),
         format_spread(group.final_loss, 4),
         rival ? fmt::format("{} ({} layers)", rival->name, rival->layers) : kUnknown,
         rival ? format_spread(rival->loss, 4) : kUnknown,
         saved(frontier.saved, frontier.saved_bound),
         percent_interval(frontier.saved, frontier.saved_bound),
         saved(frontier.same_depth_saved, frontier.same_depth_bound), frontier.verdict()});
  }
  return table;
}

Table energy_table(const Comparison& comparison) {
  const PowerOptions& power = comparison.power;
  Table table;
  table.title = "Energy";
  table.explanation = "Of training up to the last evaluation, as the run's meter counted it.";
  if (power.watts) {
    table.explanation = fmt::format(
        "Of training up to the last evaluation; where a run had no meter, an ESTIMATE: its wall "
        "time at {} W.",
        *power.watts);
  }
  if (power.price_per_kwh) {
    table.explanation += fmt::format(" Cost at {} a kWh.", *power.price_per_kwh);
  }
  if (power.grid_intensity) {
    table.explanation += fmt::format(" CO2e at {} g a kWh.", *power.grid_intensity);
  }
  table.header = {"run", "energy", "source", "cost", "CO2e"};
  if (!power.any()) return table;
  for (const ComparedRun& run : comparison.runs) {
    const auto energy = energy_use(run.final.cost, power);
    std::vector<std::string> row(table.header.size(), kUnknown);
    row[0] = run.name;
    if (energy) {
      row[1] = format_energy(energy->joules);
      row[2] = energy->is_estimate ? "estimate" : "meter";
      if (const auto cost = money(*energy, power)) row[3] = fmt::format("{:.4g}", *cost);
      if (const auto grams = grams_co2e(*energy, power)) row[4] = fmt::format("{:.4g} g", *grams);
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace apollo
