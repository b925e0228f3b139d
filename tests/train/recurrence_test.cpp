#include "train/recurrence.h"
#include "config/objective.h"

#include <gtest/gtest.h>

namespace apollo {
namespace {

Schedule make_schedule(const char* duration) {
  RunConfig config;
  config.model = {.layers = 2, .width = 16, .heads = 2, .context = 8};
  config.train.duration = parse_duration(duration);
  config.train.batch_size = 4;
  config.progressive.stages = {{2, {}}};
  return {config, model_shape(config, 50), /*train_sequences=*/40};
}

TEST(Recurrence, CountsSteps) {
  const Schedule schedule = make_schedule("100 steps");
  const Recurrence every({7, DurationUnit::kSteps}, schedule);
  EXPECT_EQ(every.times_due({.step = 0}), 0);
  EXPECT_EQ(every.times_due({.step = 6}), 0);
  EXPECT_EQ(every.times_due({.step = 7}), 1);
  EXPECT_EQ(every.times_due({.step = 98}), 14);
}

TEST(Recurrence, UnderstandsTokensEpochsAndPercent) {
  const Schedule schedule = make_schedule("100 steps");
  // A step is 32 tokens, an epoch 10 steps, a percent one step.
  for (const Duration& every :
       {Duration{320, DurationUnit::kTokens}, Duration{1, DurationUnit::kEpochs},
        Duration{10, DurationUnit::kPercent}}) {
    const Recurrence recurrence(every, schedule);
    EXPECT_EQ(recurrence.times_due({.step = 9}), 0) << to_string(every);
    EXPECT_EQ(recurrence.times_due({.step = 10}), 1) << to_string(every);
    EXPECT_EQ(recurrence.times_due({.step = 100}), 10) << to_string(every);
  }
}

TEST(Recurrence, CountsFlopsAndHours) {
  const Schedule schedule = make_schedule("1e9 flops");
  const Recurrence flops({2e8, DurationUnit::kFlops}, schedule);
  EXPECT_EQ(flops.times_due({.step = 50, .flops = 1.9e8}), 0);
  EXPECT_EQ(flops.times_due({.step = 1, .flops = 5e8}), 2);
  const Recurrence percent({10, DurationUnit::kPercent}, schedule);
  EXPECT_EQ(percent.times_due({.step = 1, .flops = 3.5e8}), 3);
  const Recurrence hours({0.5, DurationUnit::kHours}, schedule);
  EXPECT_EQ(hours.times_due({.step = 1, .hours = 1.6}), 3);
}

TEST(Recurrence, AnIntervalOfNothingIsNever) {
  const Schedule schedule = make_schedule("100 steps");
  EXPECT_EQ(Recurrence({0, DurationUnit::kSteps}, schedule).times_due({.step = 99}), 0);
}

}  // namespace
}  // namespace apollo
