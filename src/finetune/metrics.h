// How well predictions fit: the metrics of GLUE, in double precision, as scikit-learn and SciPy
// define them.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "finetune/task_config.h"

namespace apollo {

// Each takes two non-empty sequences of equal length. Class ids are in [0, num_classes).
double accuracy(std::span<const int64_t> predicted, std::span<const int64_t> expected);

// Returns 2 TP / (2 TP + FP + FN) of one class; 0 if it is neither predicted nor expected.
double f1(std::span<const int64_t> predicted, std::span<const int64_t> expected,
          int64_t positive_class);

// Returns the mean of f1 over all classes that are predicted or expected.
double macro_f1(std::span<const int64_t> predicted, std::span<const int64_t> expected,
                int64_t num_classes);

// Returns Matthews' correlation for any number of classes (Gorodkin 2004); 0 if either side is
// constant.
double matthews(std::span<const int64_t> predicted, std::span<const int64_t> expected,
                int64_t num_classes);

// Return the root of the mean squared difference, and the mean absolute difference.
double rmse(std::span<const double> predicted, std::span<const double> expected);
double mae(std::span<const double> predicted, std::span<const double> expected);

// Return correlations; 0 if either side is constant. Spearman's gives ties their mean rank.
double pearson(std::span<const double> predicted, std::span<const double> expected);
double spearman(std::span<const double> predicted, std::span<const double> expected);

using Scores = std::vector<std::pair<Metric, double>>;

double score_of(const Scores& scores, Metric metric);

// Whether `score` is better than `other`: larger, or smaller if the metric is an error.
bool is_better(Metric metric, double score, double other);

// Returns accuracy, f1 (of `positive_class`, or macro for more than two classes) and matthews.
Scores classification_scores(std::span<const int64_t> predicted, std::span<const int64_t> expected,
                             int64_t num_classes, int64_t positive_class);
// Returns pearson, spearman, rmse and mae.
Scores regression_scores(std::span<const double> predicted, std::span<const double> expected);

// Return what is possible without reading a text: for each metric the best score of giving one
// answer to all rows. The answer may differ between metrics (for rmse it is the mean, for mae the
// median).
Scores constant_classification_scores(std::span<const int64_t> expected, int64_t num_classes,
                                      int64_t positive_class);
Scores constant_regression_scores(std::span<const double> expected);

// Returns the number of rows for each pair (expected, predicted), row-major.
std::vector<int64_t> confusion_matrix(std::span<const int64_t> predicted,
                                      std::span<const int64_t> expected, int64_t num_classes);

}  // namespace apollo
