// The tables of a report. A row is a group of runs: those of one name and budget, one per seed. A
// run without repetitions is a group of one; then the columns about seeds are left out.
#pragma once

#include <vector>

#include "report/comparison.h"
#include "report/tables.h"

namespace apollo {

// Returns all tables that have rows.
std::vector<Table> comparison_tables(const Comparison& comparison);
std::vector<Table> run_tables(const RunHistory& run);

// Returns what was tried before the compared runs; no rows if nothing was.
Table tuning_table(const Comparison& comparison);

// Compares every run with the best model from scratch of any depth; no rows if there is no
// frontier.
Table frontier_table(const Comparison& comparison);

// Returns energy, its cost and its emissions; no rows if nothing is known about them.
Table energy_table(const Comparison& comparison);

}  // namespace apollo
