#include "progressive/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "config/objective.h"

namespace apollo {
namespace {

// One budget of a suite: apollo+ over three seeds, read at equal budget.
struct Measurement {
  double tokens_per_parameter;
  double saving;
  bool is_bound;  // from below: it ended below all that scratch was trained for
};

// docs/results/methods and methods-bert, column equal_budget_flops_saved_mean.
constexpr Measurement kGpt2[] = {{0.833, 0.696, false}, {3.325, 0.5, true}};
constexpr Measurement kBert[] = {{0.995, 0.715, false}, {3.983, 0.5, true}};

// Less than this is not told apart from the luck of a seed.
constexpr double kLeastSaving = 0.05;

std::span<const Measurement> measurements(Architecture architecture) {
  switch (architecture) {
    case Architecture::kGpt2:
      return kGpt2;
    case Architecture::kBert:
      return kBert;
  }
  return {};
}

// Piecewise linear in log(tokens per parameter); a bound where either neighbour is one.
Measurement measurement_at(std::span<const Measurement> points, double tokens_per_parameter) {
  if (tokens_per_parameter <= points.front().tokens_per_parameter) return points.front();
  if (tokens_per_parameter >= points.back().tokens_per_parameter) return points.back();
  size_t right = 1;
  while (right + 1 < points.size() && points[right].tokens_per_parameter < tokens_per_parameter)
    ++right;
  const Measurement& a = points[right - 1];
  const Measurement& b = points[right];
  const double share = std::log(tokens_per_parameter / a.tokens_per_parameter) /
                       std::log(b.tokens_per_parameter / a.tokens_per_parameter);
  return {tokens_per_parameter, a.saving + share * (b.saving - a.saving), a.is_bound || b.is_bound};
}

}  // namespace

bool Advice::pays() const {
  return saving >= kLeastSaving;
}

std::string Advice::method() const {
  return pays() ? "apollo+" : "scratch";
}

std::optional<Advice> advise(const RunConfig& config, const ModelShape& shape, double flops) {
  const auto points = measurements(shape.architecture);
  if (points.empty() || shape.layers < 2) return std::nullopt;
  const double sequence_flops =
      train_flops(shape, shape.layers, /*sequences=*/1, targets_per_sequence(config));
  const double tokens = flops / sequence_flops * static_cast<double>(shape.context);
  Advice advice;
  advice.tokens_per_parameter = tokens / static_cast<double>(num_parameters(shape, shape.layers));
  advice.least = points.front().tokens_per_parameter;
  advice.greatest = points.back().tokens_per_parameter;
  const Measurement found = measurement_at(points, advice.tokens_per_parameter);
  advice.saving = found.saving;
  advice.is_bound = found.is_bound;
  return advice;
}

std::string advice_text(const Advice& advice) {
  const std::string where = fmt::format("from scratch these FLOPs are {:.2g} tokens a parameter",
                                        advice.tokens_per_parameter);
  const std::string range =
      advice.is_measured() ? "measured on a small model"
                           : fmt::format("not measured: {:.2g} to {:.2g} were, this is the nearest",
                                         advice.least, advice.greatest);
  if (!advice.pays()) {
    return fmt::format("advice: {}, where growing is not expected to pay ({})\n", where, range);
  }
  return fmt::format(
      "advice: {}; there method '{}' is expected to end where scratch ends with {}{:.1f} times as "
      "many, {:.0f} % saved{} ({})\n",
      where, advice.method(), advice.is_bound ? "at least " : "", 1.0 / (1.0 - advice.saving),
      100.0 * advice.saving, advice.is_bound ? " or more" : "", range);
}

Json advice_json(const Advice& advice) {
  return {{"tokens_per_parameter", advice.tokens_per_parameter},
          {"measured", advice.is_measured()},
          {"pays", advice.pays()},
          {"method", advice.method()},
          {"expected_saving", advice.saving},
          {"or_more", advice.is_bound}};
}

}  // namespace apollo
