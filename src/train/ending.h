// Why a run ends, apart from signals and faults.
#pragma once

#include "train/run.h"

namespace apollo {

// Returns whether train.early_stopping evaluations in a row have found no lower loss (Prechelt,
// "Early stopping - but when?", 1998; its criterion UP_s, compared with the lowest loss so far
// instead of the one before).
bool is_out_of_patience(const BestEvaluation& best, const RunConfig& config);

// Returns "finished" at the end of the schedule, "early_stopping" before it, and null if the run
// continues. The result is the same on every rank.
const char* reason_to_end(const Run& run);

// Logs how the run ended and which of its checkpoints was the best.
void log_ending(const Run& run);

}  // namespace apollo
