// --price-per-kwh, --grid-intensity and --watts, for the commands that compare.
#pragma once

#include "report/power.h"

namespace CLI {
class App;
}

namespace apollo {

void add_power_options(CLI::App& command, PowerOptions& options);

}  // namespace apollo
