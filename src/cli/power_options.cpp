#include "cli/power_options.h"

#include <CLI/CLI.hpp>

#include "cli/number_checks.h"

namespace apollo {

void add_power_options(CLI::App& command, PowerOptions& options) {
  command.add_option("--price-per-kwh", options.price_per_kwh, "show what the energy cost")
      ->check(at_least_zero())
      ->type_name("PRICE");
  command
      .add_option("--grid-intensity", options.grid_intensity,
                  "show emissions; grams of CO2e per kWh of your grid")
      ->check(at_least_zero())
      ->type_name("GRAMS");
  command
      .add_option("--watts", options.watts,
                  "power of the machine; estimates the energy of runs without a meter")
      ->check(at_least_zero())
      ->type_name("W");
}

}  // namespace apollo
