#include "infer/score.h"

#include <fmt/format.h>

#include <algorithm>
#include <istream>
#include <ostream>

#include "base/json_lines.h"
#include "base/progress.h"
#include "base/stop_signal.h"
#include "text/utf8.h"

namespace apollo {
namespace {

// How many lines are tokenized and sorted by length together.
constexpr size_t kLinesPerBlock = 512;

// Adds predictions of `sequence` from its second token on.
void add_causal_windows(std::span<const TokenId> sequence, int64_t max_tokens,
                        std::vector<Prediction>& predictions) {
  const auto size = static_cast<int64_t>(sequence.size());
  const int64_t stride = std::max<int64_t>(1, (max_tokens - 1) / 2);
  int64_t done = 1;
  while (done < size) {
    const int64_t end = std::min(size, done == 1 ? max_tokens : done + stride);
    const int64_t begin = std::max<int64_t>(0, end - max_tokens);
    predictions.push_back(
        {sequence.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)),
         done - begin, end - done});
    done = end;
  }
}

void add_masked_windows(std::span<const TokenId> sequence, int64_t max_tokens,
                        std::vector<Prediction>& predictions) {
  const auto size = static_cast<int64_t>(sequence.size());
  const int64_t length = std::min(size, max_tokens);
  for (int64_t i = 0; i < size; ++i) {
    const int64_t begin = std::clamp<int64_t>(i - length / 2, 0, size - length);
    predictions.push_back(
        {sequence.subspan(static_cast<size_t>(begin), static_cast<size_t>(length)), i - begin, 1});
  }
}

void write_score(const TextScore& score, const Tokenizer& tokenizer, bool json, std::ostream& out) {
  if (!json) {
    out << fmt::format("{:.6f}\t{}\n", score.total(), score.num_scored());
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

// Returns the bytes from here to the end; 0 if the stream cannot tell, as for a pipe.
double remaining_bytes(std::istream& in) {
  const auto here = in.tellg();
  if (here < 0) {
    in.clear();
    return 0.0;
  }
  in.seekg(0, std::ios::end);
  const auto end = in.tellg();
  in.seekg(here);
  return static_cast<double>(end - here);
}

}  // namespace

double TextScore::total() const {
  double sum = 0.0;
  for (const std::optional<double>& logprob : logprobs)
    sum += logprob.value_or(0.0);
  return sum;
}

int64_t TextScore::num_scored() const {
  return std::count_if(logprobs.begin(), logprobs.end(),
                       [](const auto& logprob) { return logprob.has_value(); });
}

std::vector<TextScore> score_texts(const Predictor& predictor, std::span<const std::string> texts,
                                   const ShareDone& on_share_done) {
  const Tokenizer& tokenizer = predictor.tokenizer();
  std::optional<TokenId> start;  // precedes a text
  if (predictor.is_causal()) {
    start = tokenizer.begin_of_text();
    if (!start) start = tokenizer.end_of_text();
  }
  std::vector<TextScore> scores(texts.size());
  std::vector<std::vector<TokenId>> sequences(texts.size());  // predictions point into these
  std::vector<Prediction> predictions;
  for (size_t i = 0; i < texts.size(); ++i) {
    tokenizer.encode(texts[i], scores[i].tokens);
    scores[i].logprobs.resize(scores[i].tokens.size());
    std::vector<TokenId>& sequence = sequences[i];
    if (start) sequence.push_back(*start);
    sequence.insert(sequence.end(), scores[i].tokens.begin(), scores[i].tokens.end());
    if (predictor.is_causal()) {
      add_causal_windows(sequence, predictor.max_tokens(), predictions);
    } else {
      add_masked_windows(sequence, predictor.max_tokens(), predictions);
    }
  }
  const std::vector<TokenScore> found = predictor.score(predictions, on_share_done);
  // Both kinds of windows give each token of a text once, in order.
  auto next = found.begin();
  const size_t first_scored = predictor.is_causal() && !start ? 1 : 0;
  for (TextScore& score : scores) {
    for (size_t i = first_scored; i < score.tokens.size(); ++i)
      score.logprobs[i] = (next++)->logprob;
  }
  return scores;
}

void score_lines(const LoadedModel& loaded, std::istream& in, std::ostream& out,
                 const ScoreOptions& options) {
  const Predictor predictor(loaded, options.depth, options.batch_size, options.workers);
  Progress progress("score", remaining_bytes(in), "B");
  std::vector<std::string> lines;
  double done_bytes = 0.0;
  double block_bytes = 0.0;
  const auto flush = [&] {
    const auto scores = score_texts(predictor, lines, [&](double share) {
      if (predictor.leads()) progress.update(done_bytes + share * block_bytes);
    });
    for (const TextScore& score : scores) {
      if (predictor.leads()) write_score(score, predictor.tokenizer(), options.json, out);
    }
    done_bytes += block_bytes;
    block_bytes = 0.0;
    lines.clear();
  };
  const auto next_line = [&](std::string& line) {
    const WaitingForInput waiting;
    return static_cast<bool>(std::getline(in, line));
  };
  for (std::string line; next_line(line);) {
    block_bytes += static_cast<double>(line.size() + 1);
    lines.push_back(std::move(line));
    if (lines.size() == kLinesPerBlock) flush();
  }
  flush();
}

}  // namespace apollo
