#include "report/savings.h"

#include <algorithm>
#include <cmath>

namespace apollo {
namespace {

std::optional<double> saved_fraction(double run, double baseline) {
  if (baseline <= 0.0) return std::nullopt;
  return 1.0 - run / baseline;
}

Cost interpolate(const Cost& from, const Cost& to, double share) {
  Cost cost;
  cost.flops = std::lerp(from.flops, to.flops, share);
  cost.wall_s = std::lerp(from.wall_s, to.wall_s, share);
  cost.tokens = std::lerp(from.tokens, to.tokens, share);
  if (from.energy_j && to.energy_j) {
    cost.energy_j = std::lerp(*from.energy_j, *to.energy_j, share);
  }
  return cost;
}

// `below` is the first point of `curve` after a crossing of `loss`, or its end if there is no
// crossing.
std::optional<Cost> cost_at_crossing(const LossCurve& curve, double loss,
                                     LossCurve::const_iterator below) {
  if (below == curve.end()) return std::nullopt;
  if (below == curve.begin()) return below->cost;
  const LossPoint& above = *(below - 1);
  return interpolate(above.cost, below->cost, (above.loss - loss) / (above.loss - below->loss));
}

// Returns the first point after which no loss is greater; the end if the last loss is.
LossCurve::const_iterator below_for_good(const LossCurve& curve, double loss) {
  return std::find_if(curve.rbegin(), curve.rend(),
                      [loss](const LossPoint& point) { return !(point.loss <= loss); })
      .base();
}

}  // namespace

LossCurve full_depth_curve(const RunHistory& run) {
  LossCurve curve;
  for (const Evaluation& evaluation : full_depth_evaluations(run)) {
    if (evaluation.step > 0) curve.push_back({evaluation.cost, evaluation.loss});
  }
  return curve;
}

std::optional<Cost> cost_at_loss(const LossCurve& curve, double loss) {
  return cost_at_crossing(curve, loss,
                          std::find_if(curve.begin(), curve.end(), [loss](const LossPoint& point) {
                            return point.loss <= loss;
                          }));
}

std::optional<Cost> cost_below_loss_for_good(const LossCurve& curve, double loss) {
  return cost_at_crossing(curve, loss, below_for_good(curve, loss));
}

std::optional<Bracket> bracket_for_good(const LossCurve& curve, double loss) {
  const auto below = below_for_good(curve, loss);
  if (below == curve.end()) return std::nullopt;
  Bracket bracket{std::nullopt, below->cost.flops};
  if (below != curve.begin()) bracket.above = (below - 1)->cost.flops;
  return bracket;
}

std::optional<double> loss_at_flops(const LossCurve& curve, double flops) {
  const auto after = std::find_if(curve.begin(), curve.end(), [flops](const LossPoint& point) {
    return point.cost.flops >= flops;
  });
  if (after == curve.end()) return std::nullopt;
  if (after->cost.flops == flops) return after->loss;
  if (after == curve.begin()) return std::nullopt;
  const LossPoint& before = *(after - 1);
  const double share = (flops - before.cost.flops) / (after->cost.flops - before.cost.flops);
  return std::lerp(before.loss, after->loss, share);
}

EqualLoss equal_loss(const LossCurve& run, const LossCurve& baseline) {
  const LossPoint& target = baseline.back();
  EqualLoss result;
  result.loss = target.loss;
  result.cost = cost_at_loss(run, target.loss);
  if (!result.cost) return result;
  result.flops_saved = saved_fraction(result.cost->flops, target.cost.flops);
  result.wall_saved = saved_fraction(result.cost->wall_s, target.cost.wall_s);
  result.tokens_saved = saved_fraction(result.cost->tokens, target.cost.tokens);
  if (result.cost->energy_j && target.cost.energy_j) {
    result.energy_saved = saved_fraction(*result.cost->energy_j, *target.cost.energy_j);
  }
  const auto for_good = cost_below_loss_for_good(run, target.loss);
  result.ended_above = !for_good;
  if (!for_good) return result;
  result.flops_saved_for_good = saved_fraction(for_good->flops, target.cost.flops);
  result.wall_saved_for_good = saved_fraction(for_good->wall_s, target.cost.wall_s);
  result.tokens_saved_for_good = saved_fraction(for_good->tokens, target.cost.tokens);
  const Bracket bracket = *bracket_for_good(run, target.loss);
  result.flops_saved_least = saved_fraction(bracket.below, target.cost.flops);
  const double above = bracket.above.value_or(0.0);
  result.flops_saved_most = saved_fraction(above, target.cost.flops);
  // If the loss is exactly that of an evaluation, nothing is read between two evaluations.
  const bool is_at_evaluation = bracket.above && for_good->flops == bracket.below;
  result.is_range = !is_at_evaluation && bracket.below - above > kWideBracket * target.cost.flops;
  return result;
}

EqualFlops equal_flops(const LossCurve& run, const LossCurve& baseline) {
  EqualFlops result;
  result.flops = std::min(run.back().cost.flops, baseline.back().cost.flops);
  result.loss = loss_at_flops(run, result.flops);
  result.baseline_loss = loss_at_flops(baseline, result.flops);
  return result;
}

}  // namespace apollo
