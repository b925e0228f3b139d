// What energy costs and emits, for the user's price and grid. Joules come from the run's meter;
// where it had none, an estimate from the wattage that the user names, which is said to be one.
#pragma once

#include <optional>

#include "report/run_history.h"

namespace apollo {

struct PowerOptions {
  std::optional<double> price_per_kwh{};   // in the user's currency
  std::optional<double> grid_intensity{};  // g CO2e for a kWh
  std::optional<double> watts{};           // of the machine, where there is no meter

  bool any() const { return price_per_kwh || grid_intensity || watts; }
};

struct EnergyUse {
  double joules = 0.0;
  bool is_estimate = false;
};

// nullopt where there is neither meter nor wattage.
std::optional<EnergyUse> energy_use(const Cost& cost, const PowerOptions& options);

// In the currency of the price, and in grams; nullopt where that was not given.
std::optional<double> money(const EnergyUse& energy, const PowerOptions& options);
std::optional<double> grams_co2e(const EnergyUse& energy, const PowerOptions& options);

}  // namespace apollo
