#include "progressive/advice.h"

#include <gtest/gtest.h>

#include <cmath>

#include "config/objective.h"
#include "progressive/small_run.h"

namespace apollo {
namespace {

ModelShape small_shape() {
  return model_shape(small_config(), /*vocab_size=*/100);
}

// Returns the FLOPs of a run from scratch that reads this many tokens per parameter.
double flops_of(double tokens_per_parameter) {
  const ModelShape shape = small_shape();
  const auto context = static_cast<double>(shape.context);
  const double tokens =
      tokens_per_parameter * static_cast<double>(num_parameters(shape, shape.layers));
  return tokens / context * train_flops(shape, shape.layers, 1, shape.context);
}

Advice advice_at(double tokens_per_parameter) {
  return *advise(small_config(), small_shape(), flops_of(tokens_per_parameter));
}

TEST(Advice, CountsTheTokensOfARunFromScratch) {
  EXPECT_NEAR(advice_at(2.0).tokens_per_parameter, 2.0, 1e-9);
}

TEST(Advice, IsReadOffBetweenTheBudgetsMeasured) {
  const Advice any = advice_at(1.0);
  const Advice least = advice_at(any.least);
  const Advice greatest = advice_at(any.greatest);
  EXPECT_GT(least.saving, greatest.saving);
  const Advice middle = advice_at(std::sqrt(any.least * any.greatest));
  EXPECT_LT(middle.saving, least.saving);
  EXPECT_GT(middle.saving, greatest.saving);
  // The saving is linear in the logarithm.
  const auto slope = [](double from, double to) {
    return (advice_at(to).saving - advice_at(from).saving) / std::log(to / from);
  };
  EXPECT_NEAR(slope(5.0, 6.0), slope(9.0, 12.0), 1e-9);
  EXPECT_TRUE(middle.is_measured());
  EXPECT_TRUE(middle.pays());
  EXPECT_EQ(middle.method(), "apollo+");
}

TEST(Advice, BeyondThemIsThatOfTheNearestAndSaysSo) {
  const Advice any = advice_at(1.0);
  const Advice longer = advice_at(20.0);
  EXPECT_EQ(longer.saving, advice_at(any.greatest).saving);
  EXPECT_FALSE(longer.is_measured());
  EXPECT_EQ(advice_text(longer),
            "advice: from scratch these FLOPs are 20 tokens a parameter; there method 'apollo+' "
            "(with progressive.stages of layers 1 until 5%, 3 until 15%, 6 until 40%, 12) is "
            "expected to end where scratch ends with 1.4 times as many, 26 % saved or more (not "
            "measured: 0.62 to 13 were, this is the nearest)\n");
  EXPECT_EQ(advice_at(0.1).saving, advice_at(any.least).saving);
}

TEST(Advice, TakesTheMethodsStagesWhereLittleIsRead) {
  const Advice shorter = advice_at(3.0);
  EXPECT_TRUE(shorter.own_stages);
  EXPECT_EQ(shorter.stages.front().until, (Duration{30.0, DurationUnit::kPercent}));
  EXPECT_EQ(advice_text(shorter).find("progressive.stages"), std::string::npos);
  EXPECT_FALSE(advice_at(12.0).own_stages);
}

TEST(Advice, BertHasItsOwn) {
  RunConfig config = small_config();
  config.model.architecture = Architecture::kBert;
  const auto advice = advise(config, model_shape(config, 100), 1e12);
  ASSERT_TRUE(advice.has_value());
  EXPECT_NE(advice->least, advice_at(1.0).least);
}

TEST(Advice, IsNoneWhereThereIsNothingToGrow) {
  RunConfig config = small_config();
  config.model.layers = 1;
  EXPECT_FALSE(advise(config, model_shape(config, 100), 1e12));
}

}  // namespace
}  // namespace apollo
