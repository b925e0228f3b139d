// Mean and deviation over repetitions of an experiment, and how far the mean can be trusted.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace apollo {

// Statistics of n values. The deviation is that of a sample (n - 1), and 0 for one value.
struct Spread {
  int64_t n = 0;
  double mean = 0.0;
  double deviation = 0.0;
  double least = 0.0;
  double greatest = 0.0;

  // Returns half the width of the mean's 95 % interval, by Student's t; nullopt for one value,
  // which does not determine it.
  std::optional<double> half_interval() const;
};

// Returns nullopt if there are no values.
std::optional<Spread> spread_of(const std::vector<double>& values);

// Returns the 0.975 quantile of Student's t distribution; `degrees` >= 1.
double student_t_975(int64_t degrees);

}  // namespace apollo
