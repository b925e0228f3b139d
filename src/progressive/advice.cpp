#include "progressive/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "config/objective.h"
#include "progressive/methods.h"
#include "progressive/methods/stage_shapes.h"

namespace apollo {
namespace {

// A run that reads much for its size soon leaves the loss of shallow models behind, so its stages
// are short.
enum class StageLengths { kOfMethod, kShort };

// The least saving of apollo+ with the stages that are best there, read at equal budget.
struct Measurement {
  double tokens_per_parameter;
  double saving;
  StageLengths lengths = StageLengths::kOfMethod;
};

// The smallest savings in the tables methods, long and methods-bert (equal_budget_flops_saved_mean)
// and advice near these tokens per parameter. 0.75 is a bound: that run ended below every loss of
// scratch.
constexpr Measurement kGpt2[] = {
    {0.61506, 0.730}, {3.326, 0.562}, {13.2965, 0.260, StageLengths::kShort}};
constexpr Measurement kBert[] = {{1.0497, 0.694}, {4.1982, 0.75}};

// A smaller saving cannot be told from the luck of a seed.
constexpr double kLeastSaving = 0.05;

std::vector<StageSpec> stages_of(StageLengths lengths, const std::string& method,
                                 const ModelShape& shape) {
  switch (lengths) {
    case StageLengths::kOfMethod:
      return find_method(method).fill(shape.architecture, shape.layers).stages;
    case StageLengths::kShort:
      return stages_that_divide(shape.layers,
                                {{1.0 / 2.0, 40.0}, {1.0 / 4.0, 15.0}, {1.0 / 12.0, 5.0}},
                                DurationUnit::kPercent);
  }
  return {};
}

std::span<const Measurement> measurements(Objective objective) {
  switch (objective) {
    case Objective::kCausal:
      return kGpt2;
    case Objective::kMasked:
      return kBert;
  }
  return {};
}

// Returns the measurement with the nearest tokens per parameter, by their logarithm.
const Measurement& nearest(std::span<const Measurement> points, double tokens_per_parameter) {
  return *std::min_element(points.begin(), points.end(), [&](const auto& a, const auto& b) {
    const auto distance = [&](const Measurement& point) {
      return std::abs(std::log(point.tokens_per_parameter / tokens_per_parameter));
    };
    return distance(a) < distance(b);
  });
}

// Returns the saving, piecewise linear in log(tokens per parameter).
double saving_at(std::span<const Measurement> points, double tokens_per_parameter) {
  if (tokens_per_parameter <= points.front().tokens_per_parameter) return points.front().saving;
  if (tokens_per_parameter >= points.back().tokens_per_parameter) return points.back().saving;
  size_t right = 1;
  while (right + 1 < points.size() && points[right].tokens_per_parameter < tokens_per_parameter)
    ++right;
  const Measurement& a = points[right - 1];
  const Measurement& b = points[right];
  const double share = std::log(tokens_per_parameter / a.tokens_per_parameter) /
                       std::log(b.tokens_per_parameter / a.tokens_per_parameter);
  return a.saving + share * (b.saving - a.saving);
}

}  // namespace

bool Advice::pays() const {
  return saving >= kLeastSaving;
}

std::string Advice::method() const {
  return pays() ? "apollo+" : "scratch";
}

std::optional<Advice> advise(const RunConfig& config, const ModelShape& shape, double flops) {
  const auto points = measurements(objective_of(shape.architecture));
  // All measurements used AdamW.
  const bool measured = config.train.optimizer == OptimizerKind::kAdamW;
  if (points.empty() || shape.layers < 2 || !measured) return std::nullopt;
  const double sequence_flops =
      train_flops(shape, shape.layers, /*sequences=*/1, targets_per_sequence(config));
  const double tokens = flops / sequence_flops * static_cast<double>(shape.context);
  Advice advice;
  advice.tokens_per_parameter = tokens / static_cast<double>(num_parameters(shape, shape.layers));
  advice.least = points.front().tokens_per_parameter;
  advice.greatest = points.back().tokens_per_parameter;
  advice.saving = saving_at(points, advice.tokens_per_parameter);
  const StageLengths lengths = nearest(points, advice.tokens_per_parameter).lengths;
  advice.stages = stages_of(lengths, advice.method(), shape);
  advice.own_stages = lengths == StageLengths::kOfMethod;
  return advice;
}

std::string advice_text(const Advice& advice) {
  const std::string where = fmt::format("from scratch these FLOPs are {:.2g} tokens a parameter",
                                        advice.tokens_per_parameter);
  const std::string range =
      advice.is_measured() ? "measured on small models"
                           : fmt::format("not measured: {:.2g} to {:.2g} were, this is the nearest",
                                         advice.least, advice.greatest);
  if (!advice.pays()) {
    return fmt::format("advice: {}, where growing is not expected to pay ({})\n", where, range);
  }
  return fmt::format(
      "advice: {}; there method '{}' ({}layers {}) is expected to end where scratch ends with "
      "{:.1f} "
      "times as many, {:.0f} % saved or more ({})\n",
      where, advice.method(), advice.own_stages ? "" : "with progressive.stages of ",
      stages_text(advice.stages), 1.0 / (1.0 - advice.saving), 100.0 * advice.saving, range);
}

Json advice_json(const Advice& advice) {
  return {{"tokens_per_parameter", advice.tokens_per_parameter},
          {"measured", advice.is_measured()},
          {"pays", advice.pays()},
          {"method", advice.method()},
          {"stages", stages_text(advice.stages)},
          {"expected_saving", advice.saving}};
}

}  // namespace apollo
