// The tables of a report. A row is a group of runs: those of one name and budget, one for each
// seed. A run that nothing repeats is a group of one, and then the columns that speak of seeds are
// left out.
#pragma once

#include <vector>

#include "report/comparison.h"
#include "report/tables.h"

namespace apollo {

// All tables that have rows.
std::vector<Table> comparison_tables(const Comparison& comparison);
std::vector<Table> run_tables(const RunHistory& run);

// What was tried before the runs that are compared; no rows where nothing was.
Table tuning_table(const Comparison& comparison);

// Every run against the best model from scratch of any depth; no rows where there is no frontier.
Table frontier_table(const Comparison& comparison);

// Energy, what it costs and emits; no rows where nothing is known of them.
Table energy_table(const Comparison& comparison);

}  // namespace apollo
