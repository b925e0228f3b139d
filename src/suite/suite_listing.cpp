#include "suite/suite_listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/units.h"

namespace apollo {

std::string suite_plan_text(const SuitePlan& plan) {
  std::string text = fmt::format("{}: {} runs, {}\n\n", plan.file.name, plan.num_runs(),
                                 format_flops(plan.flops()));
  constexpr const char* kRow = "{:<11}  {:>9}  {:>13}  {}\n";
  text += fmt::format(fmt::runtime(kRow), "", "steps", "FLOPs", "run");
  plan.for_each_run([&](const PlannedRun& run, std::string_view purpose) {
    const bool known = run.flops > 0;
    text += fmt::format(fmt::runtime(kRow), purpose, known ? std::to_string(run.steps) : "?",
                        known ? format_flops(run.flops) : "?",
                        purpose != "run" || run.choice.empty()
                            ? run.label()
                            : fmt::format("{} (to be tuned)", PlannedRun(run).label()));
  });
  return text;
}

Json suite_plan_json(const SuitePlan& plan) {
  Json runs = Json::array();
  const std::vector<std::string> frontier = plan.frontier();
  const auto is_frontier = [&](const std::string& name) {
    return std::find(frontier.begin(), frontier.end(), name) != frontier.end();
  };
  plan.for_each_run([&](const PlannedRun& run, std::string_view purpose) {
    const bool known = run.flops > 0;
    runs.push_back({{"model", run.model.empty() ? Json() : Json(run.model)},
                    {"name", run.name},
                    {"budget", run.budget},
                    {"seed", run.seed},
                    {"purpose", purpose},
                    {"role", is_frontier(run.name) ? Json("frontier") : Json()},
                    {"choice", run.choice},
                    {"folder", run.folder.string()},
                    {"method", run.config.progressive.method},
                    {"steps", known ? Json(run.steps) : Json()},
                    {"flops", known ? Json(run.flops) : Json()}});
  });
  return {{"name", plan.file.name},
          {"baseline", plan.file.baseline},
          {"flops", plan.flops()},
          {"runs", std::move(runs)}};
}

}  // namespace apollo
