// The trial of layer maps at a growth, carried out (progressive/map_trial.h says what it is): each
// copy of the grown model trains from the same state on the same batches, depths and dropout masks,
// one copy after the other, so that never more than two are in memory.
//
// Copies are compared by their mean training loss over the second half of the trial. It costs
// nothing, and is a loss on held-out data, since a step's loss is taken before its update, on a
// batch that no copy has seen (within an epoch); the first half leaves out the shock of growth.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "train/grow_layers.h"
#include "train/train_step.h"

namespace apollo {

// One map on trial.
struct TrialCopy {
  LayerMapKind kind = LayerMapKind::kInterpolate;
  std::optional<double> loss;  // nothing where the copy diverged
  double flops = 0.0;          // of its training; of a copy that diverged, up to there
};

// One step of the copy that is kept, and where the run is after it.
struct TrialStep {
  RunPosition position;  // FLOPs of all copies; hours as before the trial
  int64_t tokens = 0;
  StepResult result;
};

struct MapTrial {
  std::vector<TrialCopy> copies;  // in the order of the maps
  LayerMapKind chosen = LayerMapKind::kInterpolate;
  // The chosen copy after its steps.
  std::unique_ptr<LanguageModel> model;
  AdamWState optimizer;
  std::vector<TrialStep> steps;
  double seconds = 0.0;  // of the whole trial
};

// Grows `state`, which stays as it is, to the stage `next` by each of `kinds` and trains the copies
// for trial_steps steps, or to the end of the run. The least loss is chosen, the first of equals; a
// copy that diverges is out. Throws DivergedError where all do, Interrupted where a signal asks to
// stop.
MapTrial try_maps(const TrainState& state, const StageState& next,
                  const std::vector<LayerMapKind>& kinds, const StepContext& context);

}  // namespace apollo
