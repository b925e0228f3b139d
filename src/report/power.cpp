#include "report/power.h"

namespace apollo {
namespace {

constexpr double kJoulesPerKwh = 3.6e6;

std::optional<double> times_kwh(const EnergyUse& energy, std::optional<double> factor) {
  if (!factor) return std::nullopt;
  return *factor * energy.joules / kJoulesPerKwh;
}

}  // namespace

std::optional<EnergyUse> energy_use(const Cost& cost, const PowerOptions& options) {
  if (cost.energy_j) return EnergyUse{*cost.energy_j, /*is_estimate=*/false};
  if (!options.watts) return std::nullopt;
  return EnergyUse{*options.watts * cost.wall_s, /*is_estimate=*/true};
}

std::optional<double> money(const EnergyUse& energy, const PowerOptions& options) {
  return times_kwh(energy, options.price_per_kwh);
}

std::optional<double> grams_co2e(const EnergyUse& energy, const PowerOptions& options) {
  return times_kwh(energy, options.grid_intensity);
}

}  // namespace apollo
