#include "config/config_compare.h"

#include <gtest/gtest.h>

namespace apollo {
namespace {

TEST(ConfigCompare, NamesWhatWouldChangeTheNumbers) {
  const RunConfig before;
  RunConfig after;
  after.train.lr = 2e-3;
  after.run.seed = 43;
  after.data.mask_whole_words = true;
  after.progressive.stages = {{.layers = 12, .until = {}}};
  EXPECT_EQ(differing_keys(before, after),
            (std::vector<std::string>{"run.seed: 42 -> 43", "data.mask_whole_words: false -> true",
                                      "train.lr: 0.001 -> 0.002",
                                      "progressive.stages: [] -> [{layers = 12}]"}));
  EXPECT_NE(config_hash(before), config_hash(after));
}

TEST(ConfigCompare, IgnoresWhatDoesNot) {
  const RunConfig before;
  RunConfig after;
  after.run.name = "other";
  after.data.cache = "/tmp";
  after.data.base_dir = "/tmp";
  after.progressive.method = "other";
  after.eval.every = {1, DurationUnit::kSteps};
  after.checkpoint.every = {1, DurationUnit::kSteps};
  after.checkpoint.keep = 9;
  EXPECT_EQ(differing_keys(before, after), std::vector<std::string>{});
  EXPECT_EQ(config_hash(before), config_hash(after));
}

}  // namespace
}  // namespace apollo
