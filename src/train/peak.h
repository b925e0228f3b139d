// How many FLOPs per second this machine reaches, measured by a short product of large matrices. A
// run's own rate is compared with it (model FLOPs utilisation, Chowdhery et al. 2022, "PaLM",
// appendix B, where the peak comes from a data sheet).
#pragma once

#include <c10/core/Device.h>

#include "config/run_config.h"

namespace apollo {

// Returns the best of a few products in the run's precision, with its library and threads. It takes
// less than a tenth of a second on a quiet machine.
double measure_peak_flops_per_second(at::Device device, Precision precision);

}  // namespace apollo
