#include "infer/score.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <istream>
#include <ostream>

#include "base/error.h"
#include "base/json_lines.h"
#include "base/progress.h"
#include "base/stop_signal.h"
#include "text/utf8.h"

namespace apollo {
namespace {

// Lines that are tokenized and sorted by length together.
constexpr size_t kLinesPerBlock = 512;

// A pass over sequence[begin .. begin + length), of which the targets from `first` on are new.
struct Window {
  size_t text = 0;
  int64_t begin = 0;
  int64_t length = 0;
  int64_t first = 0;  // counted in the targets of the sequence, as begin
};

// What the model reads: the tokens, after <|endoftext|> where there is one.
struct Sequence {
  std::vector<TokenId> ids;
  size_t first_scored = 0;  // the token that is the first target
};

void add_windows(size_t text, int64_t num_targets, int64_t context, std::vector<Window>& windows) {
  const int64_t stride = std::max<int64_t>(1, context / 2);
  int64_t done = std::min(num_targets, context);
  if (done > 0) windows.push_back({text, 0, done, 0});
  while (done < num_targets) {
    const int64_t end = std::min(done + stride, num_targets);
    windows.push_back({text, end - context, context, done});
    done = end;
  }
}

void score_batch(const LanguageModel& model, const LayerMap& blocks,
                 std::span<const Window> windows, const std::vector<Sequence>& sequences,
                 std::vector<TextScore>& scores) {
  int64_t length = 0;
  for (const Window& window : windows)
    length = std::max(length, window.length);
  const auto rows = static_cast<int64_t>(windows.size());
  // Padding on the right is never seen by what stands before it.
  const at::Tensor inputs_BT = at::zeros({rows, length}, at::kLong);
  const at::Tensor targets_BT = at::zeros({rows, length}, at::kLong);
  auto inputs = inputs_BT.accessor<int64_t, 2>();
  auto targets = targets_BT.accessor<int64_t, 2>();
  for (int64_t row = 0; row < rows; ++row) {
    const Window& window = windows[static_cast<size_t>(row)];
    const std::vector<TokenId>& ids = sequences[window.text].ids;
    for (int64_t t = 0; t < window.length; ++t) {
      inputs[row][t] = ids[static_cast<size_t>(window.begin + t)];
      targets[row][t] = ids[static_cast<size_t>(window.begin + t + 1)];
    }
  }
  const DeviceBatch batch{inputs_BT.to(model.device()), targets_BT.to(model.device())};
  const at::Tensor found_BT = model.log_probability(batch, blocks, {}).cpu();
  const auto found = found_BT.accessor<float, 2>();
  for (int64_t row = 0; row < rows; ++row) {
    const Window& window = windows[static_cast<size_t>(row)];
    const size_t first_scored = sequences[window.text].first_scored;
    for (int64_t t = window.first; t < window.begin + window.length; ++t) {
      scores[window.text].logprobs[static_cast<size_t>(t) + first_scored] =
          found[row][t - window.begin];
    }
  }
}

void write_score(const TextScore& score, const Tokenizer& tokenizer, bool json, std::ostream& out) {
  if (!json) {
    double total = 0.0;
    int64_t count = 0;
    for (const std::optional<double>& logprob : score.logprobs) {
      if (!logprob) continue;
      total += *logprob;
      ++count;
    }
    out << fmt::format("{:.6f}\t{}\n", total, count);
    return;
  }
  Json tokens = Json::array();
  Json logprobs = Json::array();
  for (size_t i = 0; i < score.tokens.size(); ++i) {
    std::string text;
    repair_utf8(tokenizer.token_text(score.tokens[i]), text);
    tokens.push_back(text);
    logprobs.push_back(score.logprobs[i] ? Json(*score.logprobs[i]) : Json());
  }
  out << Json{{"tokens", tokens}, {"logprobs", logprobs}}.dump() << '\n';
}

}  // namespace

std::vector<TextScore> score_texts(const LoadedModel& loaded, std::span<const std::string> texts,
                                   const ScoreOptions& options) {
  const LayerMap blocks = pass_blocks(*loaded.model, options.depth);
  const int64_t context = loaded.model->spec().shape.context;
  const Tokenizer& tokenizer = require_tokenizer(loaded);
  const std::optional<TokenId> start = tokenizer.end_of_text();
  std::vector<TextScore> scores(texts.size());
  std::vector<Sequence> sequences(texts.size());
  std::vector<Window> windows;
  for (size_t i = 0; i < texts.size(); ++i) {
    tokenizer.encode(texts[i], scores[i].tokens);
    scores[i].logprobs.resize(scores[i].tokens.size());
    if (start) sequences[i].ids.push_back(*start);
    sequences[i].first_scored = start ? 0 : 1;
    sequences[i].ids.insert(sequences[i].ids.end(), scores[i].tokens.begin(),
                            scores[i].tokens.end());
    add_windows(i, static_cast<int64_t>(sequences[i].ids.size()) - 1, context, windows);
  }
  // Windows of like length share a pass, so that little of it is padding.
  std::stable_sort(windows.begin(), windows.end(),
                   [](const Window& a, const Window& b) { return a.length < b.length; });
  const auto step = static_cast<size_t>(std::max<int64_t>(1, options.batch_size));
  for (size_t begin = 0; begin < windows.size(); begin += step) {
    throw_if_stopped();
    const size_t count = std::min(step, windows.size() - begin);
    score_batch(*loaded.model, blocks, std::span(windows).subspan(begin, count), sequences, scores);
  }
  return scores;
}

void score_lines(const LoadedModel& loaded, std::istream& in, std::ostream& out,
                 const ScoreOptions& options) {
  const Tokenizer& tokenizer = require_tokenizer(loaded);
  Progress progress("score", 0.0, "lines");
  std::vector<std::string> lines;
  double num_done = 0.0;
  const auto flush = [&] {
    for (const TextScore& score : score_texts(loaded, lines, options)) {
      write_score(score, tokenizer, options.json, out);
    }
    num_done += static_cast<double>(lines.size());
    progress.update(num_done);
    lines.clear();
  };
  for (std::string line; std::getline(in, line);) {
    lines.push_back(std::move(line));
    if (lines.size() == kLinesPerBlock) flush();
  }
  flush();
}

}  // namespace apollo
