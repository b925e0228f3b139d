// Mean and deviation of repetitions of one experiment, and how far the mean can be trusted.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace apollo {

// Of n values; the deviation is that of a sample (n - 1), 0 for one value.
struct Spread {
  int64_t n = 0;
  double mean = 0.0;
  double deviation = 0.0;
  double least = 0.0;
  double greatest = 0.0;

  // Half the width of the 95 % interval of the mean, by Student's t; nullopt for one value, which
  // says nothing of it.
  std::optional<double> half_interval() const;
};

// nullopt for no value.
std::optional<Spread> spread_of(const std::vector<double>& values);

// The quantile 0.975 of Student's t distribution; `degrees` >= 1.
double student_t_975(int64_t degrees);

}  // namespace apollo
