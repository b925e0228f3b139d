// What a classifier predicts for rows, and how well that fits.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "finetune/encoded_rows.h"
#include "finetune/metrics.h"
#include "finetune/sequence_classifier.h"

namespace apollo {

// Returns the logits of all rows, [rows, C], on the CPU. Throws Interrupted if a signal asks to
// stop.
at::Tensor predict(const SequenceClassifier& classifier, const EncodedRows& rows, TokenId padding,
                   Precision precision);

// What a regression learns: the task's numbers, scaled to mean 0 and deviation 1. A model without a
// bias cannot be given the mean afterwards, so its numbers are scaled to mean square 1.
struct TargetScale {
  double mean = 0.0;
  double deviation = 1.0;  // positive
};

// Returns the scale of these numbers: the default if there are none, deviation 1 if all are equal.
// Without `takes_shift` the mean is 0, and the deviation is measured from there.
TargetScale target_scale(const std::vector<double>& numbers, bool takes_shift = true);

// Returns metrics of logits [rows, C] against the rows' classes or numbers. Logits of a regression
// are on `scale`.
Scores score_logits(const at::Tensor& logits_NC, const EncodedRows& rows, int64_t positive_class,
                    const TargetScale& scale = {});

// Returns the class of every row.
std::vector<int64_t> predicted_classes(const at::Tensor& logits_NC);

// Returns a message if all rows got one answer, as from a model that has learned nothing. For
// numbers it does so if they vary by less than a hundredth of `deviation`. `labels` as below.
std::optional<std::string> only_answer(const at::Tensor& logits_NC,
                                       const std::vector<std::string>& labels, double deviation);

// Returns tab-separated text without quoting, with a header and a line per row: the row's number
// from 0, the prediction, the right answer if known, for classes (`labels`; empty: regression) the
// probability of the prediction and of every class, and the row's id or texts.
std::string predictions_table(const at::Tensor& logits_NC, const TaskRows& rows,
                              const std::vector<std::string>& labels);

}  // namespace apollo
