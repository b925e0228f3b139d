#include "config/objective.h"

#include <gtest/gtest.h>

namespace apollo {
namespace {

int64_t bert_targets(int64_t context, double masked_fraction) {
  RunConfig config;
  config.model.architecture = Architecture::kBert;
  config.model.context = context;
  config.data.masked_fraction = masked_fraction;
  return targets_per_sequence(config);
}

TEST(Objective, EveryPositionOfAGptSequenceIsATarget) {
  RunConfig config;
  config.model.context = 77;
  EXPECT_EQ(targets_per_sequence(config), 77);
}

TEST(Objective, AShareOfTheTextOfABertSequence) {
  EXPECT_EQ(bert_targets(128, 0.15), 19);  // 18.9
  EXPECT_EQ(bert_targets(512, 0.15), 77);  // 76.5
  EXPECT_EQ(bert_targets(12, 0.24), 2);
  EXPECT_EQ(bert_targets(12, 0.999), 10);
}

TEST(Objective, AtLeastOneTarget) {
  EXPECT_EQ(bert_targets(3, 0.15), 1);
  EXPECT_EQ(bert_targets(4, 0.01), 1);
}

}  // namespace
}  // namespace apollo
