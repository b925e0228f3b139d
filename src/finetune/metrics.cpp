#include "finetune/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace apollo {
namespace {

// Returns 1, 2, ... in the order of the values; equal values share the mean of their ranks.
std::vector<double> ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]])
      ++end;
    const double rank = 0.5 * static_cast<double>(begin + 1 + end);
    for (size_t i = begin; i < end; ++i)
      ranks[order[i]] = rank;
    begin = end;
  }
  return ranks;
}

}  // namespace

double accuracy(std::span<const int64_t> predicted, std::span<const int64_t> expected) {
  int64_t num_right = 0;
  for (size_t i = 0; i < expected.size(); ++i)
    num_right += predicted[i] == expected[i];
  return static_cast<double>(num_right) / static_cast<double>(expected.size());
}

double f1(std::span<const int64_t> predicted, std::span<const int64_t> expected,
          int64_t positive_class) {
  int64_t true_positive = 0;
  int64_t num_predicted = 0;
  int64_t num_expected = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    true_positive += predicted[i] == positive_class && expected[i] == positive_class;
    num_predicted += predicted[i] == positive_class;
    num_expected += expected[i] == positive_class;
  }
  const int64_t total = num_predicted + num_expected;
  return total == 0 ? 0.0 : 2.0 * static_cast<double>(true_positive) / static_cast<double>(total);
}

double macro_f1(std::span<const int64_t> predicted, std::span<const int64_t> expected,
                int64_t num_classes) {
  double sum = 0.0;
  int64_t num_seen = 0;
  for (int64_t c = 0; c < num_classes; ++c) {
    const bool seen = std::find(predicted.begin(), predicted.end(), c) != predicted.end() ||
                      std::find(expected.begin(), expected.end(), c) != expected.end();
    if (!seen) continue;
    sum += f1(predicted, expected, c);
    ++num_seen;
  }
  return sum / static_cast<double>(num_seen);
}

double matthews(std::span<const int64_t> predicted, std::span<const int64_t> expected,
                int64_t num_classes) {
  const auto classes = static_cast<size_t>(num_classes);
  const std::vector<int64_t> matrix = confusion_matrix(predicted, expected, num_classes);
  const std::vector<double> counts(matrix.begin(), matrix.end());
  const auto total = static_cast<double>(expected.size());
  double right = 0.0;
  double dot = 0.0;
  double predicted_squares = 0.0;
  double expected_squares = 0.0;
  for (size_t c = 0; c < classes; ++c) {
    double num_expected = 0.0;
    double num_predicted = 0.0;
    for (size_t other = 0; other < classes; ++other) {
      num_expected += counts[c * classes + other];
      num_predicted += counts[other * classes + c];
    }
    right += counts[c * classes + c];
    dot += num_expected * num_predicted;
    predicted_squares += num_predicted * num_predicted;
    expected_squares += num_expected * num_expected;
  }
  const double scale =
      std::sqrt((total * total - predicted_squares) * (total * total - expected_squares));
  return scale == 0.0 ? 0.0 : (right * total - dot) / scale;
}

double rmse(std::span<const double> predicted, std::span<const double> expected) {
  double squares = 0.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = predicted[i] - expected[i];
    squares += difference * difference;
  }
  return std::sqrt(squares / static_cast<double>(expected.size()));
}

double mae(std::span<const double> predicted, std::span<const double> expected) {
  double sum = 0.0;
  for (size_t i = 0; i < expected.size(); ++i)
    sum += std::abs(predicted[i] - expected[i]);
  return sum / static_cast<double>(expected.size());
}

double pearson(std::span<const double> predicted, std::span<const double> expected) {
  const auto count = static_cast<double>(expected.size());
  const double mean_x = std::accumulate(predicted.begin(), predicted.end(), 0.0) / count;
  const double mean_y = std::accumulate(expected.begin(), expected.end(), 0.0) / count;
  double xy = 0.0;
  double xx = 0.0;
  double yy = 0.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double x = predicted[i] - mean_x;
    const double y = expected[i] - mean_y;
    xy += x * y;
    xx += x * x;
    yy += y * y;
  }
  const double scale = std::sqrt(xx) * std::sqrt(yy);
  return scale == 0.0 ? 0.0 : xy / scale;
}

double spearman(std::span<const double> predicted, std::span<const double> expected) {
  return pearson(ranks(predicted), ranks(expected));
}

double score_of(const Scores& scores, Metric metric) {
  for (const auto& [found, value] : scores) {
    if (found == metric) return value;
  }
  fail<Error>("metric '{}' was not computed", enum_name(metric));
}

Scores classification_scores(std::span<const int64_t> predicted, std::span<const int64_t> expected,
                             int64_t num_classes, int64_t positive_class) {
  return {{Metric::kAccuracy, accuracy(predicted, expected)},
          {Metric::kF1, num_classes == 2 ? f1(predicted, expected, positive_class)
                                         : macro_f1(predicted, expected, num_classes)},
          {Metric::kMatthews, matthews(predicted, expected, num_classes)}};
}

Scores regression_scores(std::span<const double> predicted, std::span<const double> expected) {
  return {{Metric::kPearson, pearson(predicted, expected)},
          {Metric::kSpearman, spearman(predicted, expected)},
          {Metric::kRmse, rmse(predicted, expected)},
          {Metric::kMae, mae(predicted, expected)}};
}

bool is_better(Metric metric, double score, double other) {
  const bool is_error = metric == Metric::kRmse || metric == Metric::kMae;
  return is_error ? score < other : score > other;
}

Scores constant_classification_scores(std::span<const int64_t> expected, int64_t num_classes,
                                      int64_t positive_class) {
  Scores best;
  for (int64_t answer = 0; answer < num_classes; ++answer) {
    const std::vector<int64_t> answers(expected.size(), answer);
    const Scores found = classification_scores(answers, expected, num_classes, positive_class);
    if (best.empty()) best = found;
    for (size_t i = 0; i < best.size(); ++i) {
      if (is_better(best[i].first, found[i].second, best[i].second)) best[i] = found[i];
    }
  }
  return best;
}

Scores constant_regression_scores(std::span<const double> expected) {
  const double mean =
      std::accumulate(expected.begin(), expected.end(), 0.0) / static_cast<double>(expected.size());
  std::vector<double> sorted(expected.begin(), expected.end());
  std::sort(sorted.begin(), sorted.end());
  const std::vector<double> means(expected.size(), mean);
  const std::vector<double> medians(expected.size(), sorted[sorted.size() / 2]);
  return {{Metric::kPearson, 0.0},
          {Metric::kSpearman, 0.0},
          {Metric::kRmse, rmse(means, expected)},
          {Metric::kMae, mae(medians, expected)}};
}

std::vector<int64_t> confusion_matrix(std::span<const int64_t> predicted,
                                      std::span<const int64_t> expected, int64_t num_classes) {
  std::vector<int64_t> counts(static_cast<size_t>(num_classes * num_classes), 0);
  for (size_t i = 0; i < expected.size(); ++i)
    ++counts[static_cast<size_t>(expected[i] * num_classes + predicted[i])];
  return counts;
}

}  // namespace apollo
