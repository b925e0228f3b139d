// Expected values are worked out from the definitions in the comments.
#include "finetune/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace apollo {
namespace {

using Ids = std::vector<int64_t>;
using Numbers = std::vector<double>;

// TP 2, FP 1, FN 2, TN 3.
const Ids kPredicted = {1, 1, 1, 0, 0, 0, 0, 0};
const Ids kExpected = {1, 1, 0, 1, 1, 0, 0, 0};

TEST(Metrics, AccuracyIsTheShareThatIsRight) {
  EXPECT_DOUBLE_EQ(accuracy(kPredicted, kExpected), 5.0 / 8.0);
}

TEST(Metrics, F1IsOfThePositiveClass) {
  EXPECT_DOUBLE_EQ(f1(kPredicted, kExpected, 1), 4.0 / 7.0);  // 2*2 / (2*2 + 1 + 2)
  EXPECT_DOUBLE_EQ(f1(kPredicted, kExpected, 0), 6.0 / 9.0);  // 2*3 / (2*3 + 2 + 1)
}

TEST(Metrics, F1OfAClassThatIsNowhereIsZero) {
  EXPECT_EQ(f1(Ids{0, 0}, Ids{0, 0}, 1), 0.0);
}

TEST(Metrics, MacroF1IsTheMeanOverClassesThatAreThere) {
  EXPECT_DOUBLE_EQ(macro_f1(kPredicted, kExpected, 3), 0.5 * (4.0 / 7.0 + 6.0 / 9.0));
}

TEST(Metrics, MatthewsOfTwoClasses) {
  // (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)) = (6 - 2) / sqrt(3 * 4 * 4 * 5)
  EXPECT_DOUBLE_EQ(matthews(kPredicted, kExpected, 2), 4.0 / std::sqrt(240.0));
}

TEST(Metrics, MatthewsOfThreeClasses) {
  // Counts 2 1 0 / 0 2 1 / 1 0 3: right 7 of 10, expected 3 3 4, predicted 3 3 4:
  // (7*10 - 34) / (100 - 34)
  const Ids expected = {0, 0, 0, 1, 1, 1, 2, 2, 2, 2};
  const Ids predicted = {0, 0, 1, 1, 1, 2, 0, 2, 2, 2};
  EXPECT_DOUBLE_EQ(matthews(predicted, expected, 3), 36.0 / 66.0);
}

TEST(Metrics, MatthewsOfAConstantAnswerIsZero) {
  EXPECT_EQ(matthews(Ids{1, 1, 1}, Ids{0, 1, 1}, 2), 0.0);
}

TEST(Metrics, PearsonFollowsItsDefinition) {
  // Deviations of x: -1.5 -.5 .5 1.5, of y: -2 -1 1 2: 7 / sqrt(5 * 10)
  EXPECT_DOUBLE_EQ(pearson(Numbers{1, 2, 3, 4}, Numbers{1, 2, 4, 5}), 7.0 / std::sqrt(50.0));
  EXPECT_DOUBLE_EQ(pearson(Numbers{4, 3, 2, 1}, Numbers{1, 2, 4, 5}), -7.0 / std::sqrt(50.0));
}

TEST(Metrics, PearsonOfAConstantIsZero) {
  EXPECT_EQ(pearson(Numbers{2, 2, 2}, Numbers{1, 2, 3}), 0.0);
}

TEST(Metrics, PearsonIsAsGoodFarFromZero) {
  EXPECT_NEAR(pearson(Numbers{1e8 + 1, 1e8 + 2, 1e8 + 3, 1e8 + 4}, Numbers{1, 2, 4, 5}),
              7.0 / std::sqrt(50.0), 1e-9);
}

TEST(Metrics, SpearmanSeesOrderOnly) {
  EXPECT_DOUBLE_EQ(spearman(Numbers{1, 10, 100, 1000}, Numbers{0.1, 0.2, 0.3, 0.31}), 1.0);
}

TEST(Metrics, SpearmanGivesTiesTheirMeanRank) {
  // Ranks 1 2.5 2.5 4 against 1 2 3 4: deviations -1.5 0 0 1.5 and -1.5 -.5 .5 1.5:
  // 4.5 / sqrt(4.5 * 5)
  EXPECT_DOUBLE_EQ(spearman(Numbers{3, 7, 7, 9}, Numbers{1, 2, 3, 4}), 4.5 / std::sqrt(22.5));
}

TEST(Metrics, ErrorsOfNumbers) {
  EXPECT_DOUBLE_EQ(rmse(Numbers{1, 2, 5}, Numbers{1, 4, 4}), std::sqrt(5.0 / 3.0));
  EXPECT_DOUBLE_EQ(mae(Numbers{1, 2, 5}, Numbers{1, 4, 4}), 1.0);
  EXPECT_TRUE(is_better(Metric::kRmse, 1.0, 2.0));
  EXPECT_TRUE(is_better(Metric::kPearson, 2.0, 1.0));
  EXPECT_FALSE(is_better(Metric::kMae, 1.0, 1.0));
}

// Each metric has its own best guess: for the f1 of a rare class that is the rare class.
TEST(Metrics, ChanceIsTheBestConstantGuess) {
  const Scores binary = constant_classification_scores(Ids{0, 0, 0, 1}, 2, 1);
  EXPECT_DOUBLE_EQ(score_of(binary, Metric::kAccuracy), 0.75);
  EXPECT_DOUBLE_EQ(score_of(binary, Metric::kF1), 0.4);  // 2 * 1 / (4 + 1)
  EXPECT_DOUBLE_EQ(score_of(binary, Metric::kMatthews), 0.0);
  const Scores half = constant_classification_scores(Ids{0, 1, 0, 1}, 2, 1);
  EXPECT_DOUBLE_EQ(score_of(half, Metric::kF1), 2.0 / 3.0);
  const Scores three = constant_classification_scores(Ids{0, 1, 2, 2}, 3, 2);
  EXPECT_DOUBLE_EQ(score_of(three, Metric::kF1), 2.0 / 9.0);  // of class 2: 2/3, of others 0
  const Scores numbers = constant_regression_scores(Numbers{0, 0, 0, 8});
  EXPECT_DOUBLE_EQ(score_of(numbers, Metric::kRmse), std::sqrt(12.0));  // 2 for all rows
  EXPECT_DOUBLE_EQ(score_of(numbers, Metric::kMae), 2.0);               // 0 for all rows
}

TEST(Metrics, ConfusionCountsByWhatIsRight) {
  EXPECT_EQ(confusion_matrix(Ids{1, 1, 0, 2}, Ids{0, 1, 0, 1}, 3),
            (Ids{1, 1, 0, 0, 1, 1, 0, 0, 0}));
}

TEST(Metrics, ScoresComeByName) {
  const Scores scores = classification_scores(kPredicted, kExpected, 2, 1);
  EXPECT_DOUBLE_EQ(score_of(scores, Metric::kF1), 4.0 / 7.0);
  EXPECT_THROW(score_of(scores, Metric::kPearson), Error);
}

}  // namespace
}  // namespace apollo
