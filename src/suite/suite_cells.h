// Selects a part of a suite, for a first look or another machine: --only, --seeds, --budgets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "suite/suite_plan.h"

namespace apollo {

// Some of a suite's cells; an empty list selects all.
struct SuiteCells {
  std::vector<std::string> runs = {};
  std::vector<uint64_t> seeds = {};
  std::vector<std::string> budgets = {};  // "1e13 flops"

  bool any() const { return !runs.empty() || !seeds.empty() || !budgets.empty(); }
};

// Keeps these cells, with what is tuned and trained first for them. A cell is the same run whether
// the others are selected or not. Throws UsageError for a name that is not a run, a budget that is
// not one, and if no run is left.
void keep_cells(SuitePlan& plan, const SuiteCells& cells);

}  // namespace apollo
