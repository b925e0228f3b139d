#include "report/savings.h"

#include <gtest/gtest.h>

namespace apollo {
namespace {

// Wall time is a tenth of the FLOPs, and tokens are twice the FLOPs: round numbers that differ.
LossPoint point(double flops, double loss) {
  LossPoint result;
  result.cost.flops = flops;
  result.cost.wall_s = flops / 10;
  result.cost.tokens = flops * 2;
  result.loss = loss;
  return result;
}

const LossCurve kBaseline = {point(0, 6), point(500, 4), point(1000, 2)};

TEST(EqualLoss, InterpolatesTheCrossing) {
  // Loss 2 lies halfway between 3 at 400 and 1 at 800.
  const EqualLoss result = equal_loss({point(0, 6), point(400, 3), point(800, 1)}, kBaseline);
  EXPECT_EQ(result.loss, 2.0);
  EXPECT_EQ(result.cost->flops, 600.0);
  EXPECT_EQ(result.cost->wall_s, 60.0);
  EXPECT_EQ(result.cost->tokens, 1200.0);
  EXPECT_EQ(result.flops_saved, 1.0 - 600.0 / 1000.0);
  EXPECT_EQ(result.wall_saved, 1.0 - 60.0 / 100.0);
  EXPECT_EQ(result.tokens_saved, 1.0 - 1200.0 / 2000.0);
  EXPECT_EQ(result.energy_saved, std::nullopt);
  EXPECT_FALSE(result.ended_above);
}

TEST(EqualLoss, EachCostHasItsOwnSaving) {
  LossCurve run = {point(0, 4), point(500, 2)};
  run.back().cost.wall_s = 250;  // half the FLOPs, two and a half times the time
  const EqualLoss result = equal_loss(run, kBaseline);
  EXPECT_EQ(result.flops_saved, 0.5);
  EXPECT_EQ(result.wall_saved, -1.5);
}

TEST(EqualLoss, CountsEnergyWhereBothHaveAMeter) {
  LossCurve run = {point(0, 4), point(500, 2)};
  LossCurve baseline = kBaseline;
  run.front().cost.energy_j = 0.0;
  run.back().cost.energy_j = 30.0;
  EXPECT_EQ(equal_loss(run, baseline).energy_saved, std::nullopt);
  baseline.back().cost.energy_j = 120.0;
  EXPECT_EQ(equal_loss(run, baseline).energy_saved, 0.75);
}

TEST(EqualLoss, IsUnknownWhereNotReached) {
  const EqualLoss result = equal_loss({point(0, 6), point(2000, 2.001)}, kBaseline);
  EXPECT_EQ(result.loss, 2.0);
  EXPECT_FALSE(result.cost.has_value());
  EXPECT_EQ(result.flops_saved, std::nullopt);
  EXPECT_EQ(result.wall_saved, std::nullopt);
  EXPECT_EQ(result.tokens_saved, std::nullopt);
}

TEST(EqualLoss, ReachesTheVeryLossAtItsLastPoint) {
  const EqualLoss result = equal_loss(kBaseline, kBaseline);
  EXPECT_EQ(result.flops_saved, 0.0);
  EXPECT_EQ(result.cost->flops, 1000.0);
}

TEST(EqualLoss, TakesTheFirstCrossingAndSaysThatItWasLost) {
  const EqualLoss result =
      equal_loss({point(0, 4), point(400, 2), point(600, 3), point(900, 2.5)}, kBaseline);
  EXPECT_EQ(result.cost->flops, 400.0);
  EXPECT_TRUE(result.ended_above);
  EXPECT_EQ(result.flops_saved_for_good, std::nullopt);
}

TEST(EqualLoss, ForGoodIsTheLastCrossing) {
  // Below 2 from 400 on, above it at 600, and back at 2 halfway between 3 at 600 and 1 at 800.
  const EqualLoss result = equal_loss(
      {point(0, 4), point(400, 2), point(600, 3), point(800, 1), point(900, 2)}, kBaseline);
  EXPECT_EQ(result.flops_saved, 1.0 - 400.0 / 1000.0);
  EXPECT_EQ(result.flops_saved_for_good, 1.0 - 700.0 / 1000.0);
  EXPECT_FALSE(result.ended_above);
  // A single crossing is both the first and the last.
  const EqualLoss smooth = equal_loss({point(0, 6), point(400, 3), point(800, 1)}, kBaseline);
  EXPECT_EQ(smooth.flops_saved_for_good, smooth.flops_saved);
}

// If evaluations are far apart, nobody knows where between them the loss was reached.
TEST(EqualLoss, IsARangeWhereEvaluationsLieFarApart) {
  const EqualLoss wide = equal_loss({point(0, 6), point(400, 3), point(800, 1)}, kBaseline);
  EXPECT_TRUE(wide.is_range);
  EXPECT_EQ(wide.flops_saved_least, 1.0 - 800.0 / 1000.0);
  EXPECT_EQ(wide.flops_saved_most, 1.0 - 400.0 / 1000.0);
  // 20 of 1000 are 2 %.
  EXPECT_FALSE(equal_loss({point(400, 3), point(420, 1)}, kBaseline).is_range);
  EXPECT_TRUE(equal_loss({point(400, 3), point(421, 1)}, kBaseline).is_range);
  // The first evaluation is already below, so the loss may have been reached earlier.
  const EqualLoss first = equal_loss({point(300, 1), point(600, 0.5)}, kBaseline);
  EXPECT_TRUE(first.is_range);
  EXPECT_DOUBLE_EQ(*first.flops_saved_least, 0.7);
  EXPECT_EQ(first.flops_saved_most, 1.0);
}

TEST(FullDepthCurve, HasNoPointOfTheUntrainedModel) {
  RunHistory run;
  for (const int64_t step : {0, 10, 20}) {
    Evaluation evaluation;
    evaluation.step = step;
    evaluation.loss = 6.0 - 0.1 * static_cast<double>(step);
    evaluation.full_depth = true;
    run.evaluations.push_back(evaluation);
  }
  const LossCurve curve = full_depth_curve(run);
  ASSERT_EQ(curve.size(), 2u);
  EXPECT_EQ(curve.front().loss, 5.0);
}

TEST(EqualLoss, MeasuresAgainstTheBaselinesLastLossNotItsBest) {
  const LossCurve baseline = {point(0, 4), point(500, 1), point(1000, 2)};
  const EqualLoss result = equal_loss({point(0, 4), point(500, 2)}, baseline);
  EXPECT_EQ(result.loss, 2.0);
  EXPECT_EQ(result.flops_saved, 0.5);
}

TEST(EqualLoss, AFirstEvaluationBelowIsAnUpperBound) {
  EXPECT_EQ(cost_at_loss({point(300, 1), point(600, 0.5)}, 2.0)->flops, 300.0);
}

TEST(EqualFlops, ComparesAtTheEndOfTheShorter) {
  const EqualFlops shorter = equal_flops({point(0, 6), point(750, 2.5)}, kBaseline);
  EXPECT_EQ(shorter.flops, 750.0);
  EXPECT_EQ(shorter.loss, 2.5);
  EXPECT_EQ(shorter.baseline_loss, 3.0);

  const EqualFlops longer = equal_flops({point(800, 3), point(1200, 1)}, kBaseline);
  EXPECT_EQ(longer.flops, 1000.0);
  EXPECT_EQ(longer.loss, 2.0);
  EXPECT_EQ(longer.baseline_loss, 2.0);
}

TEST(EqualFlops, IsUnknownBeforeTheFirstEvaluation) {
  const EqualFlops result = equal_flops({point(1500, 1)}, kBaseline);
  EXPECT_EQ(result.flops, 1000.0);
  EXPECT_EQ(result.loss, std::nullopt);
  EXPECT_EQ(result.baseline_loss, 2.0);
}

}  // namespace
}  // namespace apollo
