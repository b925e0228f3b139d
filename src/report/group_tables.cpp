#include "report/group_tables.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/printable.h"
#include "base/units.h"

namespace apollo {
namespace {

constexpr const char* kUnknown = "–";

std::string format_mean(const std::optional<Spread>& spread, std::string (*format)(double)) {
  return spread ? format(spread->mean) : kUnknown;
}

std::string speed_up(const std::optional<Spread>& saved, Bound bound = Bound::kExact) {
  if (!saved) return kUnknown;
  const char* sign = bound == Bound::kAtLeast ? "≥ " : bound == Bound::kAtMost ? "≤ " : "";
  return sign + format_speed_up(saved->mean);
}

// "3", or "2 of 3" where not all seeds got there.
std::string seeds_text(int64_t reached, int64_t pairs) {
  return reached == pairs ? std::to_string(pairs) : fmt::format("{} of {}", reached, pairs);
}

std::string format_layers(const std::optional<Spread>& layers) {
  if (!layers) return kUnknown;
  if (layers->least == layers->greatest) return fmt::format("{:.0f}", layers->mean);
  return fmt::format("{:.0f} to {:.0f}", layers->least, layers->greatest);
}

const StartRow& info_of(const RunGroup& group, const Comparison& comparison) {
  return comparison.runs[group.runs.front()].history.info;
}

Table methods_table(const Comparison& comparison) {
  Table table;
  table.title = "Runs over seeds";
  table.explanation =
      "Last validation loss (nats per predicted token) at full depth: mean ± sample deviation over "
      "the n seeds, the 95 % interval of the mean (Student's t), its least and greatest; mean "
      "costs "
      "of training.";
  table.header = {"run",   "method",   "budget", "seeds",     "valid loss", "95 % interval",
                  "least", "greatest", "FLOPs",  "wall time", "tokens"};
  for (const RunGroup& group : comparison.groups) {
    const auto& loss = group.final_loss;
    table.rows.push_back(
        {group.name, info_of(group, comparison).method, group.budget,
         std::to_string(group.runs.size()), format_spread(loss, 4), format_interval(loss, 4),
         loss ? fmt::format("{:.4f}", loss->least) : kUnknown,
         loss ? fmt::format("{:.4f}", loss->greatest) : kUnknown,
         format_mean(group.flops, format_flops), format_mean(group.wall_s, format_seconds),
         format_mean(group.tokens, format_count)});
  }
  return table;
}

Table equal_loss_table(const Comparison& comparison) {
  const bool has_energy =
      std::any_of(comparison.groups.begin(), comparison.groups.end(),
                  [](const RunGroup& group) { return !group.is_baseline && group.energy_saved; });
  Table table;
  table.title = "Equal loss";
  table.explanation = fmt::format(
      "Saved at the last full-depth validation loss of '{}' with the same seed and budget, for "
      "good: "
      "from the last crossing on, linear between evaluations. A range stands where the evaluations "
      "around the crossing lie further apart than 2 % of the budget. Layers: of the model at that "
      "crossing. All layers: counted from the last growth on. First: at the first crossing. The "
      "speed-up is that of the mean saving. ± is the sample deviation over the seeds; the interval "
      "is that of the mean, 95 %, by Student's t.",
      comparison.runs[comparison.baseline].group);
  table.header = {"run",    "budget",     "seeds", "FLOPs saved", "95 % interval", "speed-up",
                  "layers", "all layers", "first", "time saved",  "tokens saved"};
  if (has_energy) table.header.push_back("energy saved");
  for (const RunGroup& group : comparison.groups) {
    if (group.is_baseline || group.num_pairs == 0) continue;
    const auto known = [](const std::optional<Spread>& spread) {
      return spread ? format_saved(spread) : kUnknown;
    };
    std::vector<std::string> row = {group.name, group.budget,
                                    seeds_text(group.num_reached, group.num_pairs)};
    row.insert(row.end(), {format_saved_for_good(group),
                           group.is_range ? kUnknown : percent_interval(group.flops_saved_for_good),
                           group.is_range ? kUnknown : speed_up(group.flops_saved_for_good),
                           format_layers(group.layers_at_loss), known(group.flops_saved_all_layers),
                           format_saved(group.flops_saved), known(group.wall_saved_for_good),
                           known(group.tokens_saved_for_good)});
    if (has_energy) row.push_back(known(group.energy_saved));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table equal_budget_table(const Comparison& comparison) {
  Table table;
  table.title = "Equal budget";
  table.explanation = fmt::format(
      "Every run at the end of its budget, learning rate decayed. Difference: to '{}' with the "
      "same "
      "seed. Saved: against the FLOPs at which the baseline's runs would have ended with the same "
      "loss, log FLOPs interpolated between its budgets; ≥ and ≤ are bounds, beyond the baseline's "
      "budgets. ± is the sample deviation over the n seeds; the interval is that of the mean, 95 "
      "%, "
      "by Student's t.",
      comparison.runs[comparison.baseline].group);
  table.header = {"run",        "budget",        "n",           "FLOPs",         "loss",
                  "difference", "95 % interval", "FLOPs saved", "95 % interval", "speed-up"};
  for (const RunGroup& group : comparison.groups) {
    const bool has_saving = !group.is_baseline && group.budget_saved;
    table.rows.push_back(
        {group.name, group.budget, std::to_string(group.runs.size()),
         format_mean(group.flops, format_flops), format_spread(group.final_loss, 4),
         group.is_baseline ? "baseline" : format_spread(group.loss_difference, 4),
         group.is_baseline ? kUnknown : format_interval(group.loss_difference, 4),
         has_saving ? format_saved(group.budget_saved, group.budget_bound) : kUnknown,
         has_saving ? percent_interval(group.budget_saved, group.budget_bound) : kUnknown,
         has_saving ? speed_up(group.budget_saved, group.budget_bound) : kUnknown});
  }
  return table;
}

Table growth_table(const Comparison& comparison) {
  Table table;
  table.title = "Growth";
  table.explanation =
      "Full-depth validation loss just before and just after layers were added, and its jump; "
      "gradient: the greatest norm of the 20 steps after, over the median of the 20 before. ± is "
      "the "
      "sample deviation over the seeds.";
  table.header = {"run",         "budget",     "after step", "layers",
                  "loss before", "loss after", "jump",       "gradient"};
  for (const RunGroup& group : comparison.groups) {
    for (const GrowthSummary& growth : group.growths) {
      const bool is_exact =
          growth.jump && growth.jump->least == 0.0 && growth.jump->greatest == 0.0;
      table.rows.push_back(
          {group.name, group.budget, fmt::format("{:.0f}", growth.step.mean),
           fmt::format("{} → {}", growth.from, growth.to), format_spread(growth.loss_before, 4),
           format_spread(growth.loss_after, 4), is_exact ? "0" : format_spread(growth.jump, 4),
           growth.gradient ? format_spread(growth.gradient, 2) + "x" : kUnknown});
    }
  }
  return table;
}

// Where every mean comes from.
Table seeds_table(const Comparison& comparison) {
  Table table;
  table.title = "Each run";
  table.explanation = "One run folder a row: what the means above are made of.";
  table.header = {"run",   "seed",      "budget",      "valid loss",
                  "FLOPs", "wall time", "FLOPs saved", "folder"};
  for (const ComparedRun& run : comparison.runs) {
    const auto& saved = run.equal_loss.flops_saved;
    table.rows.push_back({run.group, std::to_string(run.history.info.seed), run.budget,
                          fmt::format("{:.4f}", run.final.loss), format_flops(run.final.cost.flops),
                          format_seconds(run.final.cost.wall_s),
                          run.is_baseline ? "baseline"
                          : run.pair      ? format_saved(saved)
                                          : "no pair",
                          run.history.folder.string()});
  }
  return table;
}

// One name a column of CSV, a Spread as three.
class CsvRow {
 public:
  void add(const std::string& name, const std::string& value) {
    header.push_back(name);
    values.push_back(value);
  }
  void add(const std::string& name, const std::optional<Spread>& spread) {
    const auto text = [&](double Spread::*part) {
      return spread ? fmt::format("{}", (*spread).*part) : "";
    };
    add(name + "_mean", text(&Spread::mean));
    add(name + "_std", text(&Spread::deviation));
    add(name + "_min", text(&Spread::least));
    add(name + "_max", text(&Spread::greatest));
    const auto half = spread ? spread->half_interval() : std::nullopt;
    add(name + "_half_interval", half ? fmt::format("{}", *half) : "");
    add(name + "_n", spread ? std::to_string(spread->n) : "0");
  }
  std::vector<std::string> header;
  std::vector<std::string> values;
};

// A spreadsheet runs a cell that begins like this. Names may do so, numbers only by their sign.
bool is_formula(const std::string& cell) {
  if (cell.empty()) return false;
  if (std::string_view("=@\t\r").find(cell[0]) != std::string_view::npos) return true;
  const bool has_sign = cell[0] == '-' || cell[0] == '+';
  return has_sign && cell.find_first_not_of("0123456789.e+-") != std::string::npos;
}

// RFC 4180; a quote before what a spreadsheet would run makes it text.
std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += ',';
    const std::string cell = is_formula(cells[i]) ? "'" + cells[i] : cells[i];
    if (cell.find_first_of(",\"\n\r") == std::string::npos) {
      line += cell;
      continue;
    }
    line += '"';
    for (const char c : cell)
      line += c == '"' ? "\"\"" : std::string(1, c);
    line += '"';
  }
  return line + "\n";
}

CsvRow csv_row(const RunGroup& group, const Comparison& comparison) {
  CsvRow row;
  row.add("run", group.name);
  row.add("method", info_of(group, comparison).method);
  row.add("budget", group.budget);
  row.add("final_loss", group.final_loss);
  row.add("flops", group.flops);
  row.add("wall_s", group.wall_s);
  row.add("tokens", group.tokens);
  row.add("energy_j", group.energy_j);
  row.add("equal_loss_pairs", std::to_string(group.num_pairs));
  row.add("equal_loss_flops_saved", group.flops_saved);
  row.add("equal_loss_wall_saved", group.wall_saved);
  row.add("equal_loss_tokens_saved", group.tokens_saved);
  row.add("equal_loss_energy_saved", group.energy_saved);
  row.add("equal_loss_flops_saved_for_good", group.flops_saved_for_good);
  row.add("equal_loss_flops_saved_least", group.flops_saved_least);
  row.add("equal_loss_flops_saved_most", group.flops_saved_most);
  row.add("equal_loss_is_range", group.is_range ? "true" : "false");
  row.add("equal_loss_layers", group.layers_at_loss);
  row.add("equal_loss_flops_saved_all_layers", group.flops_saved_all_layers);
  row.add("equal_loss_wall_saved_for_good", group.wall_saved_for_good);
  row.add("equal_budget_loss_difference", group.loss_difference);
  row.add("equal_budget_flops_saved", group.budget_saved);
  row.add("equal_budget_bound", bound_name(group.budget_bound));
  if (!comparison.has_frontier) return row;
  const FrontierSummary frontier = group.frontier.value_or(FrontierSummary{});
  const auto& shallower = frontier.shallower;
  const auto loss = [](const auto& rival) {
    return rival ? std::optional<Spread>(rival->loss) : std::nullopt;
  };
  row.add("frontier_shallower", shallower ? shallower->name : "");
  row.add("frontier_shallower_layers", shallower ? std::to_string(shallower->layers) : "");
  row.add("frontier_shallower_loss", loss(shallower));
  row.add("frontier_best_layers", frontier.best ? std::to_string(frontier.best->layers) : "");
  row.add("frontier_best_loss", loss(frontier.best));
  row.add("frontier_flops_saved", frontier.saved);
  row.add("frontier_bound", bound_name(frontier.saved_bound));
  row.add("same_depth_flops_saved", frontier.same_depth_saved);
  row.add("same_depth_bound", bound_name(frontier.same_depth_bound));
  row.add("frontier_verdict", group.frontier ? frontier.verdict() : "frontier");
  return row;
}

// A row of a Markdown table is one line.
std::string markdown_cell(std::string text) {
  text = printable(text);
  for (size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2))
    text.insert(at, "\\");
  return text;
}

}  // namespace

std::string format_spread(const std::optional<Spread>& spread, int digits) {
  if (!spread) return kUnknown;
  if (spread->n == 1) return fmt::format("{:.{}f}", spread->mean, digits);
  return fmt::format("{:.{}f} ± {:.{}f}", spread->mean, digits, spread->deviation, digits);
}

std::string format_interval(const std::optional<Spread>& spread, int digits) {
  const auto half = spread ? spread->half_interval() : std::nullopt;
  if (!half) return kUnknown;
  return fmt::format("{:.{}f} to {:.{}f}", spread->mean - *half, digits, spread->mean + *half,
                     digits);
}

std::string percent_interval(const std::optional<Spread>& spread, Bound bound) {
  const auto half = spread ? spread->half_interval() : std::nullopt;
  if (!half || bound != Bound::kExact) return kUnknown;
  return fmt::format("{:.1f} to {:.1f} %", 100.0 * (spread->mean - *half),
                     100.0 * (spread->mean + *half));
}

std::string format_saved(const std::optional<Spread>& spread, Bound bound) {
  if (!spread) return "not reached";
  const char* sign = bound == Bound::kAtLeast ? "≥ " : bound == Bound::kAtMost ? "≤ " : "";
  std::string text = fmt::format("{}{:.1f}", sign, 100.0 * spread->mean);
  // How bounds differ says nothing of the savings.
  if (spread->n > 1 && bound == Bound::kExact) {
    text += fmt::format(" ± {:.1f}", 100.0 * spread->deviation);
  }
  return text + " %";
}

std::string format_saved_for_good(const RunGroup& group) {
  if (!group.flops_saved_for_good) return "not reached";
  if (!group.is_range) return format_saved(group.flops_saved_for_good);
  return fmt::format("{:.1f} to {:.1f} %", 100.0 * group.flops_saved_least->mean,
                     100.0 * group.flops_saved_most->mean);
}

std::vector<Table> group_tables(const Comparison& comparison) {
  std::vector<Table> tables = {methods_table(comparison), equal_loss_table(comparison),
                               equal_budget_table(comparison)};
  Table growths = growth_table(comparison);
  if (!growths.rows.empty()) tables.push_back(std::move(growths));
  tables.push_back(seeds_table(comparison));
  return tables;
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

std::string groups_csv(const Comparison& comparison) {
  std::string csv;
  for (const RunGroup& group : comparison.groups) {
    const CsvRow row = csv_row(group, comparison);
    if (csv.empty()) csv += csv_line(row.header);
    csv += csv_line(row.values);
  }
  return csv;
}

std::string to_markdown(const std::vector<Table>& tables, const std::vector<std::string>& notes) {
  std::string text;
  const auto append_row = [&](const std::vector<std::string>& cells) {
    for (const std::string& cell : cells)
      text += "| " + markdown_cell(cell) + " ";
    text += "|\n";
  };
  for (const Table& table : tables) {
    text += fmt::format("### {}\n{}\n\n", table.title, table.explanation);
    append_row(table.header);
    text += "|---";
    for (size_t i = 1; i < table.header.size(); ++i)
      text += "|---:";
    text += "|\n";
    for (const auto& row : table.rows)
      append_row(row);
    text += "\n";
  }
  for (const std::string& note : notes)
    text += "* " + note + "\n";
  return text;
}

}  // namespace apollo
