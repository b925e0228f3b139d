#include "finetune/predict.h"

#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

namespace apollo {
namespace {

at::Tensor logits(const std::vector<float>& values, int64_t columns) {
  return at::tensor(values, at::kFloat).view({-1, columns});
}

TEST(Predictions, CarryEveryProbabilityAndTheText) {
  TaskRows rows;
  rows.texts = {"a\tb", "c\nd\\e"};
  rows.classes = {0, 1};
  EXPECT_EQ(predictions_table(logits({0, 0, 0, std::log(3.0F)}, 2), rows, {"no", "yes"}),
            "index\tprediction\tlabel\tprobability\tp(no)\tp(yes)\ttext\n"
            "0\tno\tno\t0.500000\t0.500000\t0.500000\ta\\tb\n"
            "1\tyes\tyes\t0.750000\t0.250000\t0.750000\tc\\nd\\\\e\n");
}

TEST(Predictions, CarryTheIdInPlaceOfTheTextsWhereThereIsOne) {
  TaskRows rows;
  rows.texts = {"a"};
  rows.pairs = {"b"};
  EXPECT_EQ(predictions_table(logits({2.5}, 1), rows, {}),
            "index\tprediction\ttext\ttext_pair\n0\t2.5\ta\tb\n");
  rows.ids = {"row-7"};
  rows.numbers = {3.0};
  EXPECT_EQ(predictions_table(logits({2.5}, 1), rows, {}),
            "index\tprediction\tlabel\tid\n0\t2.5\t3\trow-7\n");
}

TEST(OnlyAnswer, IsTheOneOfAllRows) {
  const std::vector<std::string> labels = {"no", "yes"};
  EXPECT_EQ(only_answer(logits({0, 1, 2, 3}, 2), labels, 1.0), "yes");
  EXPECT_EQ(only_answer(logits({0, 1, 3, 2}, 2), labels, 1.0), std::nullopt);
  EXPECT_EQ(only_answer(logits({0, 1}, 2), labels, 1.0), std::nullopt);  // one row says nothing
  EXPECT_EQ(only_answer(logits({0.4F, 0.4F, 0.401F}, 1), {}, 1.0), "0.4");
  EXPECT_EQ(only_answer(logits({0.4F, 0.4F, 0.42F}, 1), {}, 1.0), std::nullopt);
}

TEST(TargetScale, MakesMeanZeroAndDeviationOne) {
  const TargetScale scale = target_scale({1.0, 3.0});
  EXPECT_EQ(scale.mean, 2.0);
  EXPECT_EQ(scale.deviation, 1.0);
  EXPECT_EQ(target_scale({5.0, 5.0}).deviation, 1.0);
  EXPECT_EQ(target_scale({}).mean, 0.0);
  const TargetScale fixed = target_scale({3.0, 4.0}, /*takes_shift=*/false);
  EXPECT_EQ(fixed.mean, 0.0);
  EXPECT_DOUBLE_EQ(fixed.deviation, std::sqrt(12.5));
}

}  // namespace
}  // namespace apollo
