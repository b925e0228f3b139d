// The learning rate as a function of the share of the run that is over. The caller chooses the axis
// (steps or FLOPs): Schedule::progress() gives either.
#pragma once

#include "config/run_config.h"

namespace apollo {

struct LrCurve {
  LrSchedule kind = LrSchedule::kCosine;
  double peak = 0.0;
  double final_fraction = 0.0;  // share of the peak that is left at the end
  double warmup = 0.0;          // share of the run, linear from 0
  double decay = 0.0;           // share of the run at its end (wsd: 1 - sqrt, Hagele et al. 2024)

  // Returns the learning rate at `progress` in [0, 1]. cosine, linear: from the peak at the end of
  // the warm-up to final_fraction at 1. constant: the peak. wsd: the peak up to 1 - decay.
  double at(double progress) const;
};

}  // namespace apollo
