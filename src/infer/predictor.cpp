#include "infer/predictor.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/stop_signal.h"
#include "text/token_roles.h"

namespace apollo {
namespace {

const TokenRoles& require_mask_roles(const LoadedModel& loaded) {
  const TokenRoles& roles = loaded.tokenizer->roles();
  const std::string missing = missing_mask_roles(roles);
  if (missing.empty()) return roles;
  fail<DataError>(
      "{}: a masked model works on text with [CLS], [SEP] and [MASK], but its tokenizer names no "
      "{} "
      "(hint: cls_token, sep_token, pad_token and mask_token in tokenizer_config.json)",
      loaded.folder.string(), missing);
}

}  // namespace

Predictor::Predictor(const LoadedModel& loaded, int64_t depth, int64_t batch_size, Workers* workers)
    : model_(*loaded.model),
      tokenizer_(require_tokenizer(loaded)),
      blocks_(pass_blocks(*loaded.model, depth)),
      folder_(loaded.folder.string()),
      max_pass_tokens_(batch_size * loaded.model->spec().shape.context),
      workers_(workers) {
  if (model_.is_causal()) return;
  const TokenRoles& roles = require_mask_roles(loaded);
  const TokenId needed[] = {*roles.cls, *roles.sep, *roles.mask};
  require_known_tokens(needed, tokenizer_, model_.spec(), folder_);
  frame_ = Frame{.cls = *roles.cls, .sep = *roles.sep, .mask = *roles.mask};
  if (max_tokens() < 1) {
    fail<DataError>("{}: a context of {} holds no token between [CLS] and [SEP]",
                    loaded.folder.string(), model_.spec().shape.context);
  }
}

int64_t Predictor::max_tokens() const {
  const int64_t context = model_.spec().shape.context;
  // A causal model does not read its last target.
  return frame_ ? context - 2 : context + 1;
}

int64_t Predictor::input_length(const Prediction& prediction) const {
  const auto num_tokens = static_cast<int64_t>(prediction.tokens.size());
  return frame_ ? num_tokens + 2 : num_tokens - 1;
}

std::vector<TokenScore> Predictor::score(std::span<const Prediction> predictions,
                                         const ShareDone& on_share_done) const {
  std::vector<size_t> first_score(predictions.size());
  size_t num_scores = 0;
  double total_tokens = 0.0;
  for (size_t i = 0; i < predictions.size(); ++i) {
    first_score[i] = num_scores;
    num_scores += static_cast<size_t>(predictions[i].count);
    total_tokens += static_cast<double>(input_length(predictions[i]));
    require_known_tokens(predictions[i].tokens, tokenizer_, model_.spec(), folder_);
  }
  std::vector<size_t> order(predictions.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return predictions[a].tokens.size() < predictions[b].tokens.size();
  });

  const at::NoGradGuard no_grad;
  std::vector<TokenScore> scores(num_scores);
  double done_tokens = 0.0;
  const std::vector<Bounds> passes = passes_of(predictions, order);
  const size_t num_workers = workers_ != nullptr ? static_cast<size_t>(workers_->size()) : 1;
  const size_t rank = workers_ != nullptr ? static_cast<size_t>(workers_->rank()) : 0;
  for (size_t k = 0; k < passes.size(); ++k) {
    for (size_t i = passes[k].begin; i < passes[k].end; ++i)
      done_tokens += static_cast<double>(input_length(predictions[order[i]]));
    if (k % num_workers != rank) continue;
    // Workers stop together.
    if (stop_requested() != 0) break;
    run_pass(predictions,
             std::span(order).subspan(passes[k].begin, passes[k].end - passes[k].begin),
             first_score, scores);
    if (on_share_done) on_share_done(done_tokens / total_tokens);
  }
  if (num_workers == 1) {
    throw_if_stopped();
  } else {
    exchange(predictions, order, passes, first_score, scores);
  }
  return scores;
}

std::vector<Predictor::Bounds> Predictor::passes_of(std::span<const Prediction> predictions,
                                                    std::span<const size_t> order) const {
  std::vector<Bounds> passes;
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    int64_t rows = 0;
    do {
      ++end;
      ++rows;
    } while (end < order.size() &&
             (rows + 1) * input_length(predictions[order[end]]) <= max_pass_tokens_);
    passes.push_back({begin, end});
    begin = end;
  }
  return passes;
}

void Predictor::exchange(std::span<const Prediction> predictions, std::span<const size_t> order,
                         std::span<const Bounds> passes, std::span<const size_t> first_score,
                         std::span<TokenScore> scores) const {
  const int signal = static_cast<int>(workers_->largest(stop_requested()));
  if (signal != 0) throw Interrupted(signal);
  const auto num_workers = static_cast<size_t>(workers_->size());
  const auto for_each_score_of = [&](size_t rank, const auto& visit) {
    for (size_t k = rank; k < passes.size(); k += num_workers) {
      for (size_t i = passes[k].begin; i < passes[k].end; ++i) {
        const size_t first = first_score[order[i]];
        for (int64_t at = 0; at < predictions[order[i]].count; ++at)
          visit(scores[first + static_cast<size_t>(at)]);
      }
    }
  };
  std::vector<double> own;
  for_each_score_of(static_cast<size_t>(workers_->rank()), [&](const TokenScore& score) {
    own.insert(own.end(), {score.logprob, score.is_top ? 1.0 : 0.0});
  });
  const std::vector<double> all = workers_->gather(own);
  const double* next = all.data();
  for (size_t rank = 0; rank < num_workers; ++rank) {
    for_each_score_of(rank, [&](TokenScore& score) {
      score = {next[0], next[1] != 0.0};
      next += 2;
    });
  }
}

struct Predictor::Pass {
  at::Tensor inputs_BT;
  at::Tensor documents_BT;  // undefined if there is no padding
  std::vector<int64_t> targets;
  std::vector<int64_t> target_rows;
};

Predictor::Pass Predictor::make_pass(std::span<const Prediction> predictions,
                                     std::span<const size_t> chosen) const {
  const auto rows = static_cast<int64_t>(chosen.size());
  // They are sorted by length, so the last is the longest.
  const int64_t length = input_length(predictions[chosen.back()]);
  const bool has_padding = input_length(predictions[chosen.front()]) < length;
  Pass pass;
  pass.inputs_BT = at::full({rows, length}, 0, at::kLong);
  // A causal model never sees padding to the right of what it reads.
  if (frame_ && has_padding) pass.documents_BT = at::full({rows, length}, 1, at::kLong);
  auto* inputs = pass.inputs_BT.mutable_data_ptr<int64_t>();
  for (int64_t row = 0; row < rows; ++row) {
    const Prediction& prediction = predictions[chosen[static_cast<size_t>(row)]];
    const auto tokens = prediction.tokens;
    const auto first = static_cast<size_t>(prediction.first);
    const auto count = static_cast<size_t>(prediction.count);
    int64_t* input = inputs + row * length;
    if (frame_) {
      *input = frame_->cls;
      std::copy(tokens.begin(), tokens.end(), input + 1);
      std::fill_n(input + 1 + first, count, frame_->mask);
      input[tokens.size() + 1] = frame_->sep;
    } else {
      std::copy(tokens.begin(), tokens.end() - 1, input);
    }
    if (pass.documents_BT.defined()) {
      pass.documents_BT[row].slice(0, 0, input_length(prediction)).fill_(0);
    }
    // A masked model predicts a token at its position, a causal one at the position before.
    const int64_t shift = frame_ ? 1 : -1;
    for (size_t i = first; i < first + count; ++i) {
      pass.targets.push_back(tokens[i]);
      pass.target_rows.push_back(row * length + static_cast<int64_t>(i) + shift);
    }
  }
  return pass;
}

void Predictor::run_pass(std::span<const Prediction> predictions, std::span<const size_t> chosen,
                         std::span<const size_t> first_score, std::span<TokenScore> scores) const {
  const Pass pass = make_pass(predictions, chosen);
  const at::Device device = model_.device();
  DeviceBatch batch;
  batch.inputs_BT = pass.inputs_BT.to(device);
  batch.targets_M = at::tensor(pass.targets, at::kLong).to(device);
  batch.target_rows_M = at::tensor(pass.target_rows, at::kLong).to(device);
  if (pass.documents_BT.defined()) batch.documents_BT = pass.documents_BT.to(device);
  const TargetScores found = model_.score_targets(batch, blocks_, {});
  const at::Tensor logprob_M = found.log_probability_M.cpu().contiguous();
  const at::Tensor is_top_M = found.is_top_M.cpu().contiguous();
  const float* logprob = logprob_M.const_data_ptr<float>();
  const bool* is_top = is_top_M.const_data_ptr<bool>();
  for (const size_t index : chosen) {
    for (int64_t i = 0; i < predictions[index].count; ++i, ++logprob, ++is_top) {
      if (!std::isfinite(*logprob)) {
        throw CheckpointError("the model's probabilities are not finite: its weights are damaged");
      }
      scores[first_score[index] + static_cast<size_t>(i)] = {*logprob, *is_top};
    }
  }
}

}  // namespace apollo
