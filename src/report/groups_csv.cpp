#include "report/groups_csv.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <vector>

namespace apollo {
namespace {

// Writes one name as one column of CSV, and a Spread as several.
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

// A spreadsheet executes a cell that begins like this. Names may do so; numbers only have a sign.
bool is_formula(const std::string& cell) {
  if (cell.empty()) return false;
  if (std::string_view("=@\t\r").find(cell[0]) != std::string_view::npos) return true;
  const bool has_sign = cell[0] == '-' || cell[0] == '+';
  return has_sign && cell.find_first_not_of("0123456789.e+-") != std::string::npos;
}

// Follows RFC 4180. A quote in front of what a spreadsheet would execute makes it text.
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
  row.add("method", comparison.runs[group.runs.front()].history.info.method);
  row.add("budget", group.budget);
  row.add("final_loss", group.final_loss);
  row.add("test_loss", group.test_loss);
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

}  // namespace

std::string groups_csv(const Comparison& comparison) {
  std::string csv;
  for (const RunGroup& group : comparison.groups) {
    const CsvRow row = csv_row(group, comparison);
    if (csv.empty()) csv += csv_line(row.header);
    csv += csv_line(row.values);
  }
  return csv;
}

}  // namespace apollo
