#include "train/map_trial.h"

#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/stop_signal.h"
#include "config/enum_names.h"

namespace apollo {
namespace {

// All that a step looks at; what is evaluated, saved and logged is left to the run.
TrainState grown_copy(const TrainState& state, const StageState& next, LayerMapKind kind,
                      const StepContext& context) {
  const Stage& stage = context.schedule.stages().at(static_cast<size_t>(next.index));
  GrownLayers grown = grow_layers(state, kind, stage.layers, context.config);
  TrainState copy;
  copy.model = std::move(grown.model);
  copy.optimizer = std::move(grown.optimizer);
  copy.position = state.position;
  copy.stage = next;
  copy.tokens = state.tokens;
  return copy;
}

double late_loss(const std::vector<TrialStep>& steps) {
  const size_t first = steps.size() / 2;
  double sum = 0.0;
  for (size_t i = first; i < steps.size(); ++i)
    sum += steps[i].result.loss;
  return sum / static_cast<double>(steps.size() - first);
}

// Trains `copy` to the end of the trial, or of the run.
void train_copy(TrainState& copy, const StepContext& context, std::vector<TrialStep>& steps,
                Progress& progress) {
  const Schedule& schedule = context.schedule;
  while (!schedule.finished(copy.position)) {
    const int64_t copies = schedule.num_copies(copy.position, copy.stage);
    if (copies == 1) return;
    throw_if_stopped();
    progress.update(static_cast<double>(steps.size()));
    const double flops_before = copy.position.flops;
    StepResult result = train_step(copy, context);
    copy.position.flops = flops_before + static_cast<double>(copies) * result.flops;
    steps.push_back({copy.position, copy.tokens, std::move(result)});
  }
}

}  // namespace

MapTrial try_maps(const TrainState& state, const StageState& next,
                  const std::vector<LayerMapKind>& kinds, const StepContext& context) {
  const auto start = std::chrono::steady_clock::now();
  MapTrial trial;
  std::optional<double> least;
  std::optional<DivergedError> diverged;
  for (const LayerMapKind kind : kinds) {
    TrialCopy row{.kind = kind};
    TrainState copy = grown_copy(state, next, kind, context);
    std::vector<TrialStep> steps;
    Progress progress(fmt::format("trial of layer map '{}'", enum_name(kind)),
                      static_cast<double>(context.config.progressive.trial_steps), "steps");
    try {
      train_copy(copy, context, steps, progress);
      row.loss = late_loss(steps);
    } catch (const DivergedError& error) {
      log_warning("trial of layer map '{}': {}", enum_name(kind), error.what());
      diverged = error;
    }
    for (const TrialStep& step : steps)
      row.flops += step.result.flops;
    trial.copies.push_back(row);
    if (!row.loss || (least && *row.loss >= *least)) continue;
    least = row.loss;
    trial.chosen = kind;
    trial.model = std::move(copy.model);
    trial.optimizer = std::move(copy.optimizer);
    trial.steps = std::move(steps);
  }
  if (!least) throw *diverged;
  trial.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return trial;
}

}  // namespace apollo
