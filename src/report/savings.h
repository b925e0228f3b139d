// What a run saved against a baseline, under the two protocols that are always reported together
// (design, section 2): the cost to reach the baseline's loss, and the loss at the same cost.
//
// A validation curve is not monotone, so "the run reached loss y" needs a rule. Here it is the
// FIRST crossing, linear between evaluations: what a user would have stopped at. A later rise is
// not hidden by it: the saving FOR GOOD is counted from the LAST crossing, and `ended_above` says
// where there is none. A run that grows has both apart where its full depth is of use, is not
// practised for a while and becomes of use again. The baseline is charged for its whole run up to
// its last evaluation, because the loss to reach is the one that it ended with.
#pragma once

#include <optional>
#include <vector>

#include "report/run_history.h"

namespace apollo {

// Full-depth validation loss, in the order of the run; costs never fall.
struct LossPoint {
  Cost cost;
  double loss = 0.0;
};
using LossCurve = std::vector<LossPoint>;

// Of the evaluations that full_depth_evaluations() chooses.
LossCurve full_depth_curve(const RunHistory& run);

// The cost at the first point of `curve` with loss <= `loss`; nullopt where there is none. A curve
// whose first evaluation is there already gives that evaluation's cost, an upper bound.
std::optional<Cost> cost_at_loss(const LossCurve& curve, double loss);

// The same at the last crossing, after which no loss is greater; nullopt where the last one is.
std::optional<Cost> cost_below_loss_for_good(const LossCurve& curve, double loss);

// The loss at `flops`, linear between evaluations; nullopt outside of the curve.
std::optional<double> loss_at_flops(const LossCurve& curve, double flops);

// Fractions are 1 - run / baseline: 0.4 is 40 % saved, negative where the run needed more.
struct EqualLoss {
  double loss = 0.0;         // the baseline's last
  std::optional<Cost> cost;  // of the run at that loss; nullopt: not reached
  std::optional<double> flops_saved;
  std::optional<double> wall_saved;
  std::optional<double> tokens_saved;
  std::optional<double> energy_saved;  // nullopt also where either has no meter
  std::optional<double> flops_saved_for_good;
  bool ended_above = false;  // reached, and lost again by the run's last evaluation
};

// Both curves have at least one point.
EqualLoss equal_loss(const LossCurve& run, const LossCurve& baseline);

struct EqualFlops {
  double flops = 0.0;  // of the shorter of both, at its last evaluation
  std::optional<double> loss;
  std::optional<double> baseline_loss;
};

// Both curves have at least one point.
EqualFlops equal_flops(const LossCurve& run, const LossCurve& baseline);

}  // namespace apollo
