#include "train/run_length.h"

#include <algorithm>
#include <cmath>

namespace apollo {
namespace {

constexpr double kRounding = 1e-9;

// In the middle of the step that ended at `state`; the last stage has passes of one depth.
double last_rate(const Schedule& schedule, const TrainState& state) {
  RunPosition before = state.position;
  const double flops = schedule.plan_step(before, state.stage).flops;
  before.hours *= 1.0 - 1.0 / static_cast<double>(before.step);
  before.flops = std::max(0.0, before.flops - flops);
  --before.step;
  return schedule.plan_step(before, state.stage).lr;
}

}  // namespace

std::string why_length_is_fixed(const Run& run, const RunConfig& begun, const TrainState& state) {
  if (state.position.step == 0) return "";
  const auto num_stages = static_cast<int64_t>(run.schedule->stages().size());
  if (state.stage.index + 1 != num_stages) {
    return "the length can change in the last stage, since stages end at shares of it";
  }
  if (run.schedule->finished(state.position)) return "it has come as far as that already";
  const Schedule before(begun, run.model.shape, run.train->num_sequences());
  const double rate = last_rate(before, state);
  if (std::abs(last_rate(*run.schedule, state) - rate) <= kRounding * rate) return "";
  return run.config().train.lr_schedule == LrSchedule::kWsd
             ? "the length can change between warm-up and decay only; a checkpoint of before the "
               "decay can go on"
             : "the length can change while the learning rate is constant, as it is with "
               "train.lr_schedule = \"constant\", or \"wsd\" until its decay";
}

}  // namespace apollo
