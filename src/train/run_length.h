// A run that continues with another length (train.duration) than it began with. As long as the
// learning rate is constant, before any decay, a longer run does what a shorter one does (Hagele et
// al., "Scaling laws and compute-optimal training beyond fixed training durations", 2024).
#pragma once

#include <string>

#include "train/run.h"

namespace apollo {

// Returns why the run may not take the length of its config from `state` on, or "" if it may. It
// may if it has all of its layers, and if the step before had the learning rate that a run of the
// new length would have had. `begun`: the config with the length that the run had so far.
std::string why_length_is_fixed(const Run& run, const RunConfig& begun, const TrainState& state);

}  // namespace apollo
