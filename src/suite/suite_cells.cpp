#include "suite/suite_cells.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/duration.h"
#include "base/error.h"
#include "base/spelling.h"

namespace apollo {

void keep_cells(SuitePlan& plan, const SuiteCells& cells) {
  const auto is_among = [](const auto& wanted, const auto& value) {
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
  };
  std::vector<std::string> names;
  for (const SuiteRun& run : plan.file.runs)
    names.push_back(run.name);
  for (const std::string& name : cells.runs) {
    if (is_among(names, name)) continue;
    fail<UsageError>(
        "suite: --only '{}' is none of the runs (hint: {})", name,
        did_you_mean(name, names, fmt::format("they are '{}'", fmt::join(names, "', '"))));
  }
  std::vector<std::string> budgets;
  for (const std::string& budget : cells.budgets)
    budgets.push_back(to_string(parse_duration(budget)));
  std::set<std::pair<std::string, uint64_t>> needed;  // source and seed
  for (PlannedGroup& group : plan.groups) {
    std::erase_if(group.runs, [&](const PlannedRun& run) {
      return !is_among(cells.runs, run.name) || !is_among(cells.seeds, run.seed) ||
             !is_among(budgets, run.budget);
    });
    if (group.runs.empty()) continue;
    const auto run = std::find_if(plan.file.runs.begin(), plan.file.runs.end(),
                                  [&](const SuiteRun& r) { return r.name == group.name; });
    for (const auto* planned : {&group.tuning, &group.runs}) {
      for (const PlannedRun& one : *planned)
        needed.emplace(run->source, one.seed);
    }
  }
  std::erase_if(plan.groups, [](const PlannedGroup& group) { return group.runs.empty(); });
  std::erase_if(plan.sources, [&](const PlannedRun& source) {
    return !needed.contains({source.name, source.seed});
  });
  if (plan.groups.empty()) {
    fail<UsageError>(
        "suite: no run is left by --only, --seeds and --budgets (hint: --dry-run alone lists them "
        "all)");
  }
}

}  // namespace apollo
