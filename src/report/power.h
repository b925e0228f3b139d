// What energy costs and emits, for the user's price and grid. Joules come from the run's meter.
// Without a meter they are an estimate from the wattage that the user states, and are marked as
// one.
#pragma once

#include <optional>

#include "report/run_history.h"

namespace apollo {

struct PowerOptions {
  std::optional<double> price_per_kwh{};   // in the user's currency
  std::optional<double> grid_intensity{};  // g CO2e per kWh
  std::optional<double> watts{};           // of the machine, if there is no meter

  bool any() const { return price_per_kwh || grid_intensity || watts; }
};

struct EnergyUse {
  double joules = 0.0;
  bool is_estimate = false;
};

// Returns nullopt if there is neither a meter nor a wattage.
std::optional<EnergyUse> energy_use(const Cost& cost, const PowerOptions& options);

// Return the cost in the currency of the price, and grams; nullopt if price or grid were not given.
std::optional<double> money(const EnergyUse& energy, const PowerOptions& options);
std::optional<double> grams_co2e(const EnergyUse& energy, const PowerOptions& options);

}  // namespace apollo
