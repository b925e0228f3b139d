#include "report/curves.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/json_lines.h"

namespace apollo {
namespace {

RunHistory run_of(size_t num_steps) {
  RunHistory run;
  run.info.name = "a";
  for (size_t i = 0; i < num_steps; ++i) {
    const double step = static_cast<double>(i + 1);
    run.steps.step.push_back(step);
    run.steps.tokens.push_back(10 * step);
    run.steps.flops.push_back(100 * step);
    run.steps.wall_s.push_back(0.5 * step);
    run.steps.loss.push_back(3.0);
    for (auto* column : {&run.steps.energy_j, &run.steps.lr, &run.steps.grad_norm, &run.steps.stage,
                         &run.steps.layers, &run.steps.depth, &run.steps.tokens_per_s,
                         &run.steps.model_flops_utilisation}) {
      column->push_back(1.0);
    }
  }
  return run;
}

TEST(ChartData, KeepsEveryStepOfAShortRun) {
  RunHistory run = run_of(3);
  run.steps.loss = {5.0, 4.0, NAN};
  const Json steps = Json::parse(chart_data(run, "a"))["steps"];
  EXPECT_EQ(steps["flops"], Json({100, 200, 300}));
  EXPECT_EQ(steps["wall_s"], Json({0.5, 1, 1.5}));
  EXPECT_EQ(steps["loss_min"], Json({5, 4, nullptr}));
  EXPECT_EQ(steps["loss_max"], Json({5, 4, nullptr}));
}

TEST(ChartData, KeepsASpikeOfALongRun) {
  RunHistory run = run_of(100'000);
  run.steps.loss[54'321] = 9.0;
  const Json steps = Json::parse(chart_data(run, "a"))["steps"];
  ASSERT_EQ(steps["step"].size(), kMaxBuckets);
  EXPECT_EQ(steps["step"].back(), 100'000);
  EXPECT_EQ(steps["loss_max"].size(), kMaxBuckets);
  int64_t num_spikes = 0;
  for (const Json& value : steps["loss_max"])
    num_spikes += value == 9.0;
  EXPECT_EQ(num_spikes, 1);
  for (const Json& value : steps["loss_min"])
    EXPECT_EQ(value, 3.0);
}

TEST(ChartData, SmoothsWithinAStageOnly) {
  RunHistory run = run_of(2000);
  for (size_t i = 1000; i < 2000; ++i) {
    run.steps.stage[i] = 2.0;
    run.steps.depth[i] = 12.0;
  }
  const Json depth = Json::parse(chart_data(run, "a"))["steps"]["depth"];
  for (const Json& value : depth)
    EXPECT_TRUE(value == 1.0 || value == 12.0) << value;
}

TEST(ChartData, EscapesNames) {
  EXPECT_EQ(Json::parse(chart_data(run_of(1), "a\"\n\xff"))["name"], "a\"\n\xEF\xBF\xBD");
}

}  // namespace
}  // namespace apollo
