// What a classifier says of rows, and how well it fits.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "finetune/encoded_rows.h"
#include "finetune/metrics.h"
#include "finetune/sequence_classifier.h"

namespace apollo {

// Logits of all rows, [rows, C], on the CPU. Throws Interrupted when a signal asks to stop.
at::Tensor predict(const SequenceClassifier& classifier, const EncodedRows& rows, TokenId padding,
                   Precision precision);

// Metrics of logits [rows, C] against the rows' classes or numbers.
Scores score_logits(const at::Tensor& logits_NC, const EncodedRows& rows, int64_t positive_class);

// As tab-separated text with a header, a line for each row: its number from 0, what is predicted,
// what is right where the rows say so, and for classes (`labels`, empty: regression) the
// probability of the prediction.
std::string predictions_table(const at::Tensor& logits_NC, const EncodedRows& rows,
                              const std::vector<std::string>& labels);

}  // namespace apollo
