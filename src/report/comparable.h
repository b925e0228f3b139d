// May runs be compared at all? Comparable means that the validation losses are the same quantity
// and that the runs ended with the same model from the same text. What only makes one run better or
// worse than it could be (learning rate, batch size, seed) is the experimenter's business and is
// noted.
#pragma once

#include <string>
#include <vector>

#include "report/comparison.h"

namespace apollo {

// Throws UsageError, or notes where `force`, what makes losses of the runs other quantities.
void check_comparable(Comparison& comparison, bool force);

// Notes what a fair experiment keeps equal as well, unless it is what the experiment is about.
void note_differences(Comparison& comparison);

// Notes where a run ends with another depth than the run that it is measured against.
void note_depths(Comparison& comparison);

std::vector<ConfigDifference> config_differences(const std::vector<ComparedRun>& runs);

// Adds a note that is not there yet: runs that repeat one another would say the same.
void note_once(Comparison& comparison, std::string note);

}  // namespace apollo
