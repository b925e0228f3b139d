// A run that goes on with another length (train.duration) than it was begun with. Up to a constant
// learning rate, before any decay, a longer run does what a shorter one does (Hagele et al.,
// "Scaling laws and compute-optimal training beyond fixed training durations", 2024).
#pragma once

#include <string>

#include "train/run.h"

namespace apollo {

// Empty where the run may have the length of its config from `state` on: all of its layers are
// there, and the step before had the learning rate that a run of this length would have had. Else
// why not. `begun`: the config with the length that it had so far.
std::string why_length_is_fixed(const Run& run, const RunConfig& begun, const TrainState& state);

}  // namespace apollo
