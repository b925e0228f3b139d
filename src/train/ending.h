// Why a run ends, apart from signals and faults.
#pragma once

#include "train/run.h"

namespace apollo {

// Whether the last evaluations have found no lower loss for as long as train.early_stopping waits
// (early stopping: Prechelt, "Early stopping - but when?", 1998; its criterion UP_s, held against
// the lowest loss in place of the one before).
bool is_out_of_patience(const BestEvaluation& best, const RunConfig& config);

// "finished" at the end of the schedule, "early_stopping" before it; null: the run goes on. The
// same on every rank.
const char* reason_to_end(const Run& run);

// Tells how the run ended and which of its checkpoints was the best.
void log_ending(const Run& run);

}  // namespace apollo
