#include "finetune/predict.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/stop_signal.h"
#include "finetune/row_batches.h"

namespace apollo {
namespace {

constexpr int64_t kRowsInPass = 64;

}  // namespace

at::Tensor predict(const SequenceClassifier& classifier, const EncodedRows& rows, TokenId padding,
                   Precision precision) {
  const at::NoGradGuard no_grad;
  const int64_t num_outputs = classifier.num_outputs();
  const at::Tensor logits_NC = at::empty({rows.size(), num_outputs}, at::kFloat);
  auto* logits = logits_NC.mutable_data_ptr<float>();
  const LanguageModel& body = classifier.body();
  for (const RowBatch& chosen : evaluation_batches(rows, kRowsInPass)) {
    throw_if_stopped();
    const ClassifierBatch batch =
        make_batch(rows, chosen, padding, body.spec().shape.architecture, body.device());
    const at::Tensor found_BC =
        classifier.logits(batch, {.precision = precision}).cpu().contiguous();
    const auto* found = found_BC.const_data_ptr<float>();
    for (const int64_t row : chosen) {
      std::copy_n(found, num_outputs, logits + row * num_outputs);
      found += num_outputs;
    }
  }
  return logits_NC;
}

Scores score_logits(const at::Tensor& logits_NC, const EncodedRows& rows, int64_t positive_class) {
  if (rows.classes.empty()) {
    const at::Tensor numbers_N = logits_NC.squeeze(1).to(at::kDouble).contiguous();
    return regression_scores({numbers_N.const_data_ptr<double>(), rows.numbers.size()},
                             rows.numbers);
  }
  const at::Tensor classes_N = at::argmax(logits_NC, 1).contiguous();
  return classification_scores({classes_N.const_data_ptr<int64_t>(), rows.classes.size()},
                               rows.classes, logits_NC.size(1), positive_class);
}

std::string predictions_table(const at::Tensor& logits_NC, const EncodedRows& rows,
                              const std::vector<std::string>& labels) {
  const bool regression = labels.empty();
  const bool labelled = !(rows.classes.empty() && rows.numbers.empty());
  const at::Tensor shares_NC = at::softmax(logits_NC, 1).contiguous();
  const at::Tensor classes_N = at::argmax(logits_NC, 1).contiguous();
  const auto* numbers = logits_NC.const_data_ptr<float>();
  const auto* shares = shares_NC.const_data_ptr<float>();
  const auto* classes = classes_N.const_data_ptr<int64_t>();
  std::string text = fmt::format("index\tprediction{}{}\n", labelled ? "\tlabel" : "",
                                 regression ? "" : "\tprobability");
  for (int64_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<size_t>(i);
    if (regression) {
      text += fmt::format("{}\t{:.6g}", i, numbers[i]);
      if (labelled) text += fmt::format("\t{:g}", rows.numbers[row]);
    } else {
      text += fmt::format("{}\t{}", i, labels[static_cast<size_t>(classes[i])]);
      if (labelled) text += "\t" + labels[static_cast<size_t>(rows.classes[row])];
      text += fmt::format("\t{:.6f}", shares[i * logits_NC.size(1) + classes[i]]);
    }
    text += "\n";
  }
  return text;
}

}  // namespace apollo
