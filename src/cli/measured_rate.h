// How fast this machine trains, by real steps: those of a measurement, or those of a run. Both are
// kept for later plans (progressive/last_rate.h). Only the engine has this.
#pragma once

#include "config/resolved_config.h"
#include "progressive/last_rate.h"
#include "progressive/schedule.h"

namespace apollo {

// Trains the run's first stage for about a second and keeps the rate. Throws what measure_speed()
// throws.
LastRate measured_rate(const ResolvedConfig& resolved);

// Keeps the rate of a run that came from `before` to `after` in one process on `device`, unless it
// was too short to say anything.
void keep_rate_of_run(const RunConfig& config, const std::string& device, const RunPosition& before,
                      const RunPosition& after);

}  // namespace apollo
