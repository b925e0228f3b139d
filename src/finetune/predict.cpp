#include "finetune/predict.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

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
    const ClassifierBatch batch = make_batch(
        rows, chosen, padding, objective_of(body.spec().shape.architecture), body.device());
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

TargetScale target_scale(const std::vector<double>& numbers, bool takes_shift) {
  TargetScale scale;
  if (numbers.empty()) return scale;
  const auto count = static_cast<double>(numbers.size());
  if (takes_shift) scale.mean = std::accumulate(numbers.begin(), numbers.end(), 0.0) / count;
  const double deviation = rmse(std::vector<double>(numbers.size(), scale.mean), numbers);
  if (deviation > 0.0) scale.deviation = deviation;
  return scale;
}

Scores score_logits(const at::Tensor& logits_NC, const EncodedRows& rows, int64_t positive_class,
                    const TargetScale& scale) {
  if (rows.classes.empty()) {
    const at::Tensor numbers_N = logits_NC.squeeze(1).to(at::kDouble).contiguous();
    const auto* found = numbers_N.const_data_ptr<double>();
    std::vector<double> numbers(found, found + numbers_N.numel());
    for (double& number : numbers)
      number = scale.mean + scale.deviation * number;
    return regression_scores(numbers, rows.numbers);
  }
  return classification_scores(predicted_classes(logits_NC), rows.classes, logits_NC.size(1),
                               positive_class);
}

std::vector<int64_t> predicted_classes(const at::Tensor& logits_NC) {
  const at::Tensor classes_N = at::argmax(logits_NC, 1).contiguous();
  const auto* classes = classes_N.const_data_ptr<int64_t>();
  return {classes, classes + classes_N.numel()};
}

std::optional<std::string> only_answer(const at::Tensor& logits_NC,
                                       const std::vector<std::string>& labels, double deviation) {
  if (logits_NC.size(0) < 2) return std::nullopt;
  if (labels.empty()) {
    const auto* numbers = logits_NC.const_data_ptr<float>();
    const auto [least, most] = std::minmax_element(numbers, numbers + logits_NC.numel());
    if (*most - *least >= 0.01 * deviation) return std::nullopt;
    return fmt::format("{:.6g}", *least);
  }
  const std::vector<int64_t> classes = predicted_classes(logits_NC);
  if (std::count(classes.begin(), classes.end(), classes.front()) != std::ssize(classes))
    return std::nullopt;
  return labels[static_cast<size_t>(classes.front())];
}

std::string predictions_table(const at::Tensor& logits_NC, const TaskRows& rows,
                              const std::vector<std::string>& labels) {
  const bool regression = labels.empty();
  const bool labelled = !(rows.classes.empty() && rows.numbers.empty());
  const int64_t num_classes = logits_NC.size(1);
  const at::Tensor shares_NC = at::softmax(logits_NC, 1).contiguous();
  const std::vector<int64_t> classes = predicted_classes(logits_NC);
  const auto* numbers = logits_NC.const_data_ptr<float>();
  std::string text = fmt::format("index\tprediction{}{}", labelled ? "\tlabel" : "",
                                 regression ? "" : "\tprobability");
  for (const std::string& label : labels)
    text += fmt::format("\tp({})", label);
  text += !rows.ids.empty() ? "\tid\n" : rows.pairs.empty() ? "\ttext\n" : "\ttext\ttext_pair\n";
  for (int64_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<size_t>(i);
    if (regression) {
      text += fmt::format("{}\t{:.6g}", i, numbers[i]);
      if (labelled) text += fmt::format("\t{:g}", rows.numbers[row]);
    } else {
      const auto* shares = shares_NC.const_data_ptr<float>() + i * num_classes;
      text += fmt::format("{}\t{}", i, labels[static_cast<size_t>(classes[row])]);
      if (labelled) text += "\t" + labels[static_cast<size_t>(rows.classes[row])];
      text += fmt::format("\t{:.6f}", shares[classes[row]]);
      for (int64_t c = 0; c < num_classes; ++c)
        text += fmt::format("\t{:.6f}", shares[c]);
    }
    if (!rows.ids.empty()) {
      text += "\t" + escaped_field(rows.ids[row]);
    } else {
      text += "\t" + escaped_field(rows.texts[row]);
      if (!rows.pairs.empty()) text += "\t" + escaped_field(rows.pairs[row]);
    }
    text += "\n";
  }
  return text;
}

}  // namespace apollo
