// What a run saved against a baseline, by two protocols that are always reported together: the cost
// to reach the baseline's loss, and the loss at the same cost.
//
// A validation curve is not monotone, so "the run reached loss y" needs a rule. What we claim is
// the saving FOR GOOD: from the LAST crossing on, linear between evaluations, no loss is greater.
// If there is none, `ended_above` says so. The FIRST crossing is reported next to it. The two
// differ in a growing run whose full depth first helps, then is not practised for a while, then
// helps again. If the evaluations around a crossing are far apart, what happened between them is
// unknown, and the saving is a range. The baseline is charged for its whole run up to its last
// evaluation, because the loss to reach is the one with which it ended.
#pragma once

#include <optional>
#include <vector>

#include "report/run_history.h"

namespace apollo {

// The full-depth validation loss, in the order of the run; costs never fall.
struct LossPoint {
  Cost cost;
  double loss = 0.0;
};
using LossCurve = std::vector<LossPoint>;

// Returns the evaluations that full_depth_evaluations() chooses, except one before the first step:
// the loss of an untrained model is not a point of its training.
LossCurve full_depth_curve(const RunHistory& run);

// Returns the cost at the first point of `curve` with loss <= `loss`; nullopt if there is none. If
// the first evaluation is already below, its cost is returned, which is an upper bound.
std::optional<Cost> cost_at_loss(const LossCurve& curve, double loss);

// The same at the last crossing, after which no loss is greater; nullopt if the last loss is
// greater.
std::optional<Cost> cost_below_loss_for_good(const LossCurve& curve, double loss);

// FLOPs of the evaluations around that crossing.
struct Bracket {
  std::optional<double> above;  // nullopt: the first evaluation is already below
  double below = 0.0;
};
std::optional<Bracket> bracket_for_good(const LossCurve& curve, double loss);

// Returns the loss at `flops`, linear between evaluations; nullopt outside the curve.
std::optional<double> loss_at_flops(const LossCurve& curve, double flops);

constexpr double kWideBracket = 0.02;

// Fractions are 1 - run / baseline: 0.4 means 40 % saved; negative if the run needed more.
struct EqualLoss {
  double loss = 0.0;         // the baseline's last
  std::optional<Cost> cost;  // of the run at that loss; nullopt: never reached
  std::optional<double> flops_saved;
  std::optional<double> wall_saved;
  std::optional<double> tokens_saved;
  std::optional<double> energy_saved;  // nullopt also if either has no meter
  std::optional<double> flops_saved_for_good;
  std::optional<double> wall_saved_for_good;
  std::optional<double> tokens_saved_for_good;
  // From the evaluation after the crossing for good to the one before it; set together with
  // flops_saved_for_good.
  std::optional<double> flops_saved_least;
  std::optional<double> flops_saved_most;
  bool is_range = false;     // they differ by more than kWideBracket of the baseline's FLOPs
  bool ended_above = false;  // reached, but lost again by the run's last evaluation
};

// Both curves have at least one point.
EqualLoss equal_loss(const LossCurve& run, const LossCurve& baseline);

struct EqualFlops {
  double flops = 0.0;  // of the shorter run, at its last evaluation
  std::optional<double> loss;
  std::optional<double> baseline_loss;
};

// Both curves have at least one point.
EqualFlops equal_flops(const LossCurve& run, const LossCurve& baseline);

}  // namespace apollo
