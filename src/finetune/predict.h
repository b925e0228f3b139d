// What a classifier says of rows, and how well it fits.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "finetune/encoded_rows.h"
#include "finetune/metrics.h"
#include "finetune/sequence_classifier.h"

namespace apollo {

// Logits of all rows, [rows, C], on the CPU. Throws Interrupted when a signal asks to stop.
at::Tensor predict(const SequenceClassifier& classifier, const EncodedRows& rows, TokenId padding,
                   Precision precision);

// What a regression learns: numbers of mean 0 and deviation 1, whatever those of the task are; of a
// model without a bias, which can't be given the mean afterwards, numbers of mean square 1.
struct TargetScale {
  double mean = 0.0;
  double deviation = 1.0;  // positive
};

// The scale of these numbers: the default for none, deviation 1 where all are equal. Without
// `takes_shift` the mean is 0 and the deviation is taken from there.
TargetScale target_scale(const std::vector<double>& numbers, bool takes_shift = true);

// Metrics of logits [rows, C] against the rows' classes or numbers; those of a regression are
// numbers of `scale`.
Scores score_logits(const at::Tensor& logits_NC, const EncodedRows& rows, int64_t positive_class,
                    const TargetScale& scale = {});

// The class of every row.
std::vector<int64_t> predicted_classes(const at::Tensor& logits_NC);

// Says so where all rows got one answer, as a model that has learned nothing gives it; for numbers,
// where they vary by less than a hundredth of `deviation`. `labels` as below.
std::optional<std::string> only_answer(const at::Tensor& logits_NC,
                                       const std::vector<std::string>& labels, double deviation);

// As tab-separated text without quoting, with a header, a line for each row: its number from 0,
// what is predicted, what is right where the rows say so, for classes (`labels`, empty: regression)
// the probability of the prediction and of every class, and the row's id or its texts.
std::string predictions_table(const at::Tensor& logits_NC, const TaskRows& rows,
                              const std::vector<std::string>& labels);

}  // namespace apollo
