// A comparison as JSON; comparison.h lists the fields.
#include <cmath>

#include "report/comparison.h"

namespace apollo {
namespace {

Json number(std::optional<double> value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json run_json(const ComparedRun& run, const PowerOptions& power) {
  const Cost& cost = run.final.cost;
  const auto energy = energy_use(cost, power);
  const auto of_energy = [&](auto get) { return energy ? number(get(*energy, power)) : Json(); };
  const auto reached = [&](double Cost::*part) {
    return run.equal_loss.cost ? number((*run.equal_loss.cost).*part) : Json(nullptr);
  };
  Json equal_loss = {{"loss", run.pair ? number(run.equal_loss.loss) : Json(nullptr)},
                     {"flops_saved", number(run.equal_loss.flops_saved)},
                     {"wall_saved", number(run.equal_loss.wall_saved)},
                     {"tokens_saved", number(run.equal_loss.tokens_saved)},
                     {"energy_saved", number(run.equal_loss.energy_saved)},
                     {"flops_saved_for_good", number(run.equal_loss.flops_saved_for_good)},
                     {"wall_saved_for_good", number(run.equal_loss.wall_saved_for_good)},
                     {"tokens_saved_for_good", number(run.equal_loss.tokens_saved_for_good)},
                     {"flops_saved_least", number(run.equal_loss.flops_saved_least)},
                     {"flops_saved_most", number(run.equal_loss.flops_saved_most)},
                     {"is_range", run.equal_loss.is_range},
                     {"layers", run.layers_at_loss ? Json(*run.layers_at_loss) : Json(nullptr)},
                     {"flops_saved_all_layers", number(run.flops_saved_all_layers)},
                     {"flops", reached(&Cost::flops)},
                     {"wall_s", reached(&Cost::wall_s)},
                     {"tokens", reached(&Cost::tokens)}};
  Json equal_flops = {{"flops", run.pair ? number(run.equal_flops.flops) : Json(nullptr)},
                      {"loss", number(run.equal_flops.loss)},
                      {"baseline_loss", number(run.equal_flops.baseline_loss)}};
  Json growths = Json::array();
  for (const Growth& growth : run.history.growths) {
    growths.push_back({{"step", growth.step},
                       {"from", growth.from},
                       {"to", growth.to},
                       {"loss_before", number(growth.loss_before)},
                       {"loss_after", number(growth.loss_after)}});
  }
  return {{"name", run.name},
          {"folder", run.history.folder.string()},
          {"method", run.history.info.method},
          {"seed", run.history.info.seed},
          {"budget", run.budget},
          {"final_loss", number(run.final.loss)},
          {"test_loss", run.history.test ? number(run.history.test->loss) : Json()},
          {"ppl", number(run.final.ppl)},
          {"bpb", number(run.final.bpb)},
          {"accuracy", number(run.final.accuracy)},
          {"flops", number(cost.flops)},
          {"eval_flops", number(run.history.eval_flops)},
          {"wall_s", number(cost.wall_s)},
          {"tokens", number(cost.tokens)},
          {"energy_j", number(cost.energy_j)},
          {"estimated_energy_j", energy && energy->is_estimate ? Json(energy->joules) : Json()},
          {"cost", of_energy(money)},
          {"g_co2e", of_energy(grams_co2e)},
          {"equal_loss", std::move(equal_loss)},
          {"equal_flops", std::move(equal_flops)},
          {"growths", std::move(growths)}};
}

}  // namespace

Json to_json(const Comparison& comparison) {
  Json runs = Json::array();
  for (const ComparedRun& run : comparison.runs)
    runs.push_back(run_json(run, comparison.power));
  Json groups = Json::array();
  for (const RunGroup& group : comparison.groups)
    groups.push_back(to_json(group, comparison));
  Json tuning = Json::array();
  for (const TuningTrial& trial : comparison.tuning) {
    tuning.push_back({{"name", trial.group},
                      {"values", trial.values},
                      {"budget", trial.budget},
                      {"seed", trial.seed},
                      {"loss", number(trial.loss)},
                      {"fault", trial.fault.empty() ? Json() : Json(trial.fault)},
                      {"best", trial.is_best},
                      {"folder", trial.folder}});
  }
  const ComparedRun& baseline = comparison.runs[comparison.baseline];
  return {{"baseline", comparison.is_grouped ? baseline.group : baseline.name},
          {"runs", std::move(runs)},
          {"groups", std::move(groups)},
          {"frontier", frontier_json(comparison)},
          {"tuning", std::move(tuning)},
          {"notes", comparison.notes}};
}

}  // namespace apollo
