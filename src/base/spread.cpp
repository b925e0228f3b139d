#include "base/spread.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace apollo {

double student_t_975(int64_t degrees) {
  constexpr std::array kQuantiles = {12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912,
                                     2.364624,  2.306004, 2.262157, 2.228139, 2.200985, 2.178813,
                                     2.160369,  2.144787, 2.131450, 2.119905, 2.109816, 2.100922,
                                     2.093024,  2.085963, 2.079614, 2.073873, 2.068658, 2.063899,
                                     2.059539,  2.055529, 2.051831, 2.048407, 2.045230, 2.042272};
  if (degrees <= static_cast<int64_t>(kQuantiles.size())) {
    return kQuantiles[static_cast<size_t>(std::max<int64_t>(degrees, 1) - 1)];
  }
  // Cornish and Fisher's expansion around the normal quantile. Its error is below 1e-6 from here
  // on.
  constexpr double z = 1.959964;
  const auto d = static_cast<double>(degrees);
  return z + (std::pow(z, 3) + z) / (4 * d) +
         (5 * std::pow(z, 5) + 16 * std::pow(z, 3) + 3 * z) / (96 * d * d) +
         (3 * std::pow(z, 7) + 19 * std::pow(z, 5) + 17 * std::pow(z, 3) - 15 * z) /
             (384 * d * d * d);
}

std::optional<double> Spread::half_interval() const {
  if (n < 2) return std::nullopt;
  return student_t_975(n - 1) * deviation / std::sqrt(static_cast<double>(n));
}

std::optional<Spread> spread_of(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  Spread spread;
  spread.n = static_cast<int64_t>(values.size());
  const double count = static_cast<double>(values.size());
  spread.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0.0;
  for (const double value : values)
    squares += (value - spread.mean) * (value - spread.mean);
  if (values.size() > 1) spread.deviation = std::sqrt(squares / (count - 1.0));
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  spread.least = *least;
  spread.greatest = *greatest;
  return spread;
}

}  // namespace apollo
