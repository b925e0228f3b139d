// How well predictions fit: the metrics of GLUE, in double precision, as scikit-learn and SciPy
// define them.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "finetune/task_config.h"

namespace apollo {

// Each takes two sequences of equal length, not empty. Class ids are in [0, num_classes).
double accuracy(std::span<const int64_t> predicted, std::span<const int64_t> expected);

// Of one class: 2 TP / (2 TP + FP + FN); 0 where it is neither predicted nor expected.
double f1(std::span<const int64_t> predicted, std::span<const int64_t> expected,
          int64_t positive_class);

// The mean of f1 over all classes that are predicted or expected.
double macro_f1(std::span<const int64_t> predicted, std::span<const int64_t> expected,
                int64_t num_classes);

// Matthews' correlation, for any number of classes (Gorodkin 2004); 0 where either side is
// constant.
double matthews(std::span<const int64_t> predicted, std::span<const int64_t> expected,
                int64_t num_classes);

// Correlations; 0 where either side is constant. Spearman's gives ties their mean rank.
double pearson(std::span<const double> predicted, std::span<const double> expected);
double spearman(std::span<const double> predicted, std::span<const double> expected);

using Scores = std::vector<std::pair<Metric, double>>;

double score_of(const Scores& scores, Metric metric);

// accuracy, f1 (of `positive_class`, or macro where there are more than two) and matthews.
Scores classification_scores(std::span<const int64_t> predicted, std::span<const int64_t> expected,
                             int64_t num_classes, int64_t positive_class);
// pearson and spearman.
Scores regression_scores(std::span<const double> predicted, std::span<const double> expected);

}  // namespace apollo
