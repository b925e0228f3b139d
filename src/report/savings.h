// What a run saved against a baseline, under the two protocols that are always reported together
// the cost to reach the baseline's loss, and the loss at the same cost.
//
// A validation curve is not monotone, so "the run reached loss y" needs a rule. What is claimed is
// the saving FOR GOOD: from the LAST crossing on, linear between evaluations, no loss is greater;
// `ended_above` says where there is none. The FIRST crossing is told beside it. A run that grows
// has both apart where its full depth is of use, is not practised for a while and becomes of use
// again. Where the evaluations around a crossing lie far apart, what lies between them is not
// known, and the saving is a range. The baseline is charged for its whole run up to its last
// evaluation, because the loss to reach is the one that it ended with.
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

// The evaluations that full_depth_evaluations() chooses, without one before the first step: the
// loss of a model that was not trained is no point of its training.
LossCurve full_depth_curve(const RunHistory& run);

// The cost at the first point of `curve` with loss <= `loss`; nullopt where there is none. A curve
// whose first evaluation is there already gives that evaluation's cost, an upper bound.
std::optional<Cost> cost_at_loss(const LossCurve& curve, double loss);

// The same at the last crossing, after which no loss is greater; nullopt where the last one is.
std::optional<Cost> cost_below_loss_for_good(const LossCurve& curve, double loss);

// FLOPs of the evaluations around that crossing.
struct Bracket {
  std::optional<double> above;  // nullopt: the first evaluation is there already
  double below = 0.0;
};
std::optional<Bracket> bracket_for_good(const LossCurve& curve, double loss);

// The loss at `flops`, linear between evaluations; nullopt outside of the curve.
std::optional<double> loss_at_flops(const LossCurve& curve, double flops);

constexpr double kWideBracket = 0.02;

// Fractions are 1 - run / baseline: 0.4 is 40 % saved, negative where the run needed more.
struct EqualLoss {
  double loss = 0.0;         // the baseline's last
  std::optional<Cost> cost;  // of the run at that loss; nullopt: not reached
  std::optional<double> flops_saved;
  std::optional<double> wall_saved;
  std::optional<double> tokens_saved;
  std::optional<double> energy_saved;  // nullopt also where either has no meter
  std::optional<double> flops_saved_for_good;
  std::optional<double> wall_saved_for_good;
  std::optional<double> tokens_saved_for_good;
  // From the evaluation after the crossing for good to the one before it; together with
  // flops_saved_for_good.
  std::optional<double> flops_saved_least;
  std::optional<double> flops_saved_most;
  bool is_range = false;     // these lie further apart than kWideBracket of the baseline's FLOPs
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
