#include "report/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/units.h"
#include "report/group_tables.h"

namespace apollo {
namespace {

constexpr const char* kUnknown = "–";
constexpr const char* kNotReached = "not reached";

std::string format_or(std::optional<double> value, fmt::format_string<double&> format) {
  return value ? fmt::format(format, *value) : kUnknown;
}

// One row of the first table, also for a single run.
struct Totals {
  std::string name;
  const RunHistory* run;
  const Evaluation* final;  // null where the run has none at full depth
};

Table totals_table(const std::vector<Totals>& all) {
  const auto any = [&](auto&& known) { return std::any_of(all.begin(), all.end(), known); };
  const auto any_final = [&](std::optional<double> Evaluation::*value) {
    return any([&](const Totals& t) { return t.final && (t.final->*value).has_value(); });
  };
  const bool has_energy = any([](const Totals& t) { return t.run->total.energy_j.has_value(); });
  // What the objective gives beside the loss.
  struct Column {
    const char* name;
    std::optional<double> Evaluation::*value;
    std::string (*format)(double);
  };
  std::vector<Column> columns = {
      {"ppl", &Evaluation::ppl, [](double value) { return fmt::format("{:.2f}", value); }},
      {"bits/byte", &Evaluation::bpb, [](double value) { return fmt::format("{:.4f}", value); }},
      {"masked acc.", &Evaluation::accuracy, format_accuracy}};
  std::erase_if(columns, [&](const Column& column) { return !any_final(column.value); });

  Table table;
  table.title = all.size() > 1 ? "Runs" : "Run";
  table.explanation =
      "Validation loss (nats per predicted token) at full depth. FLOPs are those of training; "
      "evaluation and "
      "growth probes are charged apart.";
  table.header = {"run", "method", "valid loss"};
  for (const Column& column : columns)
    table.header.push_back(column.name);
  for (const char* name : {"FLOPs", "evaluation", "wall time", "tokens"}) {
    table.header.push_back(name);
  }
  if (has_energy) table.header.push_back("energy");
  for (const Totals& totals : all) {
    const Evaluation* final = totals.final;
    const Cost& cost = final ? final->cost : totals.run->total;
    std::vector<std::string> row = {totals.name, totals.run->info.method};
    row.push_back(final ? fmt::format("{:.4f}", final->loss) : kUnknown);
    for (const Column& column : columns) {
      const auto value = final ? final->*column.value : std::nullopt;
      row.push_back(value ? column.format(*value) : kUnknown);
    }
    row.push_back(format_flops(cost.flops));
    row.push_back(format_flops(totals.run->eval_flops));
    row.push_back(format_seconds(cost.wall_s));
    row.push_back(format_count(cost.tokens));
    if (has_energy) row.push_back(cost.energy_j ? format_energy(*cost.energy_j) : kUnknown);
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table equal_loss_table(const Comparison& comparison) {
  const ComparedRun& baseline = comparison.runs[comparison.baseline];
  const bool has_energy = std::any_of(
      comparison.runs.begin(), comparison.runs.end(),
      [](const ComparedRun& run) { return !run.is_baseline && run.equal_loss.energy_saved; });
  Table table;
  table.title = "Equal loss";
  table.explanation = fmt::format(
      "What it took to reach {:.4f}, the last full-depth validation loss of '{}'. Saved: for good, "
      "from the last crossing on, linear between evaluations; a range where these lie further "
      "apart "
      "than 2 % of the budget. Layers: of the model there. All layers: from the last growth on. "
      "First: at the first crossing.",
      baseline.final.loss, baseline.name);
  table.header = {"run",        "saved", "speed-up",   "layers",
                  "all layers", "first", "time saved", "tokens saved"};
  if (has_energy) table.header.push_back("energy saved");
  for (const ComparedRun& run : comparison.runs) {
    const EqualLoss& equal = run.equal_loss;
    std::vector<std::string> row = {run.name};
    const auto saved = [&](std::optional<double> fraction) {
      return fraction ? format_saved(fraction) : kUnknown;
    };
    if (run.is_baseline) {
      row.insert(row.end(), {"baseline", "1.00x"});
    } else {
      row.insert(row.end(),
                 {format_saved_for_good(equal),
                  equal.is_range ? kUnknown : format_speed_up(equal.flops_saved_for_good),
                  run.layers_at_loss ? std::to_string(*run.layers_at_loss) : kUnknown,
                  saved(run.flops_saved_all_layers), saved(equal.flops_saved),
                  saved(equal.wall_saved_for_good), saved(equal.tokens_saved_for_good)});
      if (has_energy) row.push_back(saved(equal.energy_saved));
    }
    row.resize(table.header.size(), kUnknown);
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table equal_flops_table(const Comparison& comparison) {
  const ComparedRun& baseline = comparison.runs[comparison.baseline];
  Table table;
  table.title = "Equal FLOPs";
  table.explanation = fmt::format(
      "Full-depth validation loss at the same FLOPs: the end of the shorter of the run and '{}'.",
      baseline.name);
  table.header = {"run", "at FLOPs", "loss", "baseline's loss", "difference"};
  for (const ComparedRun& run : comparison.runs) {
    if (run.is_baseline) continue;
    const EqualFlops& equal = run.equal_flops;
    std::optional<double> difference;
    if (equal.loss && equal.baseline_loss) difference = *equal.loss - *equal.baseline_loss;
    table.rows.push_back({run.name, format_flops(equal.flops), format_or(equal.loss, "{:.4f}"),
                          format_or(equal.baseline_loss, "{:.4f}"),
                          format_or(difference, "{:+.4f}")});
  }
  return table;
}

// Growth that preserves the function leaves exactly nothing, which "+0.0000" would not say.
std::string format_jump(std::optional<double> jump) {
  if (!jump) return kUnknown;
  if (*jump == 0.0) return "0";
  return std::abs(*jump) < 5e-5 ? fmt::format("{:+.0e}", *jump) : fmt::format("{:+.4f}", *jump);
}

void append_growths(const RunHistory& run, const std::string& name, Table& table) {
  for (const Growth& growth : run.growths) {
    std::optional<double> jump;
    if (growth.loss_before && growth.loss_after) jump = *growth.loss_after - *growth.loss_before;
    table.rows.push_back(
        {name, std::to_string(growth.step), fmt::format("{} → {}", growth.from, growth.to),
         format_or(growth.loss_before, "{:.4f}"), format_or(growth.loss_after, "{:.4f}"),
         format_jump(jump), format_or(gradient_rise(run, growth), "{:.2f}x")});
  }
}

Table growth_table() {
  Table table;
  table.title = "Growth";
  table.explanation =
      "Full-depth validation loss just before and just after layers were added; gradient: the "
      "greatest norm of the 20 steps after, over the median of the 20 before.";
  table.header = {"run", "after step", "layers", "loss before", "loss after", "jump", "gradient"};
  return table;
}

// Of runs that do not repeat one another.
std::vector<Table> single_run_tables(const Comparison& comparison) {
  std::vector<Totals> totals;
  Table growths = growth_table();
  for (const ComparedRun& run : comparison.runs) {
    totals.push_back({run.name, &run.history, &run.final});
    append_growths(run.history, run.name, growths);
  }
  std::vector<Table> tables = {totals_table(totals), equal_loss_table(comparison),
                               equal_flops_table(comparison)};
  if (!growths.rows.empty()) tables.push_back(std::move(growths));
  return tables;
}

// Columns on a terminal: one a code point, which holds for all that reports print.
size_t text_width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string shorten(const std::string& text, size_t width) {
  if (text_width(text) <= width) return text;
  std::string kept;
  size_t count = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80 && ++count == width) break;
    kept += c;
  }
  return kept + "…";
}

// The least width, from `least` on, at which names that differ still do.
size_t telling_width(const Table& table, size_t least, size_t widest) {
  std::set<std::string> names;
  for (const auto& row : table.rows)
    names.insert(row[0]);
  for (size_t width = least; width < widest; ++width) {
    std::set<std::string> shortened;
    for (const std::string& name : names)
      shortened.insert(shorten(name, width));
    if (shortened.size() == names.size()) return width;
  }
  return widest;
}

std::string wrap(const std::string& text, size_t width, const std::string& indent) {
  std::string out;
  std::string line = indent;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (line.size() > indent.size() && text_width(line) + text_width(word) > width) {
      out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
      line = std::string(indent.size(), ' ');
    }
    line += word + " ";
    begin = end + 1;
  }
  return out + line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
}

std::string table_text(const Table& table, size_t width) {
  std::vector<size_t> widths;
  for (size_t column = 0; column < table.header.size(); ++column) {
    size_t widest = text_width(table.header[column]);
    for (const auto& row : table.rows)
      widest = std::max(widest, text_width(row[column]));
    widths.push_back(widest);
  }
  size_t total = 2 * (widths.size() - 1);
  for (const size_t column : widths)
    total += column;
  constexpr size_t kShortestName = 8;
  if (total > width) {
    const size_t excess = total - width;
    const size_t wanted = std::max(kShortestName, widths[0] - std::min(widths[0], excess));
    widths[0] = telling_width(table, wanted, widths[0]);
  }

  std::string out = table.title + "\n" + wrap(table.explanation, width, "") + "\n";
  const auto append_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t column = 0; column < row.size(); ++column) {
      const std::string cell = column == 0 ? shorten(row[0], widths[0]) : row[column];
      const std::string space(widths[column] - std::min(widths[column], text_width(cell)), ' ');
      line += column == 0 ? cell + space : "  " + space + cell;
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  };
  append_row(table.header);
  for (const auto& row : table.rows)
    append_row(row);
  return out;
}

}  // namespace

std::string format_saved(std::optional<double> fraction) {
  return fraction ? fmt::format("{:.1f} %", 100.0 * *fraction) : kNotReached;
}

std::string format_saved_for_good(const EqualLoss& equal) {
  if (!equal.is_range) return format_saved(equal.flops_saved_for_good);
  return fmt::format("{:.1f} to {:.1f} %", 100.0 * *equal.flops_saved_least,
                     100.0 * *equal.flops_saved_most);
}

std::string format_speed_up(std::optional<double> saved_fraction) {
  if (!saved_fraction || *saved_fraction >= 1.0) return kUnknown;
  return fmt::format("{:.2f}x", 1.0 / (1.0 - *saved_fraction));
}

std::string format_accuracy(double accuracy) {
  return fmt::format("{:.2f} %", 100.0 * accuracy);
}

std::string format_energy(double joules) {
  const double watt_hours = joules / 3600.0;
  return watt_hours >= 1000.0 ? fmt::format("{:.2f} kWh", watt_hours / 1000.0)
                              : fmt::format("{:.2f} Wh", watt_hours);
}

std::vector<Table> comparison_tables(const Comparison& comparison) {
  std::vector<Table> tables =
      comparison.is_grouped ? group_tables(comparison) : single_run_tables(comparison);
  for (Table extra :
       {frontier_table(comparison), energy_table(comparison), tuning_table(comparison)}) {
    if (!extra.rows.empty()) tables.push_back(std::move(extra));
  }
  return tables;
}

std::vector<Table> run_tables(const RunHistory& run) {
  const std::vector<Evaluation> evaluations = full_depth_evaluations(run);
  const Evaluation* final = evaluations.empty() ? nullptr : &evaluations.back();
  std::vector<Table> tables = {totals_table({{run.info.name, &run, final}})};
  Table growths = growth_table();
  append_growths(run, run.info.name, growths);
  if (!growths.rows.empty()) tables.push_back(std::move(growths));
  return tables;
}

std::string to_text(const std::vector<Table>& tables, const std::vector<std::string>& notes,
                    size_t width) {
  std::string out;
  for (const Table& table : tables)
    out += table_text(table, width) + "\n";
  for (const std::string& note : notes)
    out += wrap(note, width, "note: ");
  return out;
}

}  // namespace apollo
