// Decides whether runs may be compared: their validation losses must be the same quantity, and they
// must end with the same model from the same text. What only makes a run better or worse (learning
// rate, batch size, seed) is left to the experimenter, and noted.
#pragma once

#include <string>
#include <vector>

#include "report/comparison.h"

namespace apollo {

// Throws UsageError if losses of the runs are different quantities; with `force`, notes it instead.
void check_comparable(Comparison& comparison, bool force);

// Notes what a fair experiment also keeps equal, except what the experiment is about.
void note_differences(Comparison& comparison);

// Notes if a run ends with another depth than the run against which it is measured.
void note_depths(Comparison& comparison);

std::vector<ConfigDifference> config_differences(const std::vector<ComparedRun>& runs);

// Adds a note unless it is there already; runs that repeat each other would say the same.
void note_once(Comparison& comparison, std::string note);

}  // namespace apollo
