// What a run says of itself before its first step: the model, the data, the machine and the stages.
#pragma once

#include <string>

#include "runlog/rows.h"
#include "train/run.h"

namespace apollo {

// The first lines of a run's log; of a resumed run also the step at which it goes on.
void log_opening(const Run& run);

// The first row of metrics.jsonl. `energy_source` names what measures the energy.
StartRow start_row(const Run& run, std::string energy_source);

}  // namespace apollo
