// The tables of a comparison over seeds and budgets: mean ± sample deviation, and the 95 % interval
// of the mean.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/comparison.h"
#include "report/tables.h"

namespace apollo {

std::vector<Table> group_tables(const Comparison& comparison);

// What was tried before the runs that are compared; no rows where nothing was.
Table tuning_table(const Comparison& comparison);

// Every run against the best model from scratch of any depth; no rows where there is no frontier.
Table frontier_table(const Comparison& comparison);

// Energy, what it costs and emits; no rows where nothing is known of them.
Table energy_table(const Comparison& comparison);

// The groups as CSV, numbers apart from their deviations; and the tables as Markdown.
std::string groups_csv(const Comparison& comparison);
std::string to_markdown(const std::vector<Table>& tables, const std::vector<std::string>& notes);

// "41.6 ± 1.2 %", "≥ 50.0 %"; one value and a bound have no deviation.
std::string format_saved(const std::optional<Spread>& spread, Bound bound = Bound::kExact);
// What is claimed at equal loss: "41.6 ± 1.2 %", or "35.0 to 42.0 %" where evaluations are far
// apart.
std::string format_saved_for_good(const RunGroup& group);
// "1.4012 to 1.4988": the 95 % interval of the mean; one value has none.
std::string format_interval(const std::optional<Spread>& spread, int digits);
// The same of a share, "40.1 to 43.1 %"; a bound has none.
std::string percent_interval(const std::optional<Spread>& spread, Bound bound = Bound::kExact);
std::string format_spread(const std::optional<Spread>& spread, int digits);

}  // namespace apollo
