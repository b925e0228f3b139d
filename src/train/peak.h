// How many FLOPs a second this machine reaches, measured by a short product of large matrices: what
// a run's own rate is held against (model FLOPs utilisation, Chowdhery et al. 2022, "PaLM",
// appendix B, whose peak is that of a data sheet).
#pragma once

#include <c10/core/Device.h>

#include "config/run_config.h"

namespace apollo {

// The best of a few products in the run's precision, by its library and threads. Takes less than a
// tenth of a second on a quiet machine.
double measure_peak_flops_per_second(at::Device device, Precision precision);

}  // namespace apollo
