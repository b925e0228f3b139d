// Log-probabilities of given text.
//
// Under a causal model each token is conditioned on those before it. The first is conditioned on
// the end of text (eos), as at the start of a document in training; if the tokenizer has no such
// token, the first has no value. A text longer than the context is scored in windows that advance
// by half the context. So every token outside the first window is conditioned on at least half a
// context.
//
// Under a masked model it is the pseudo-log-likelihood (Salazar et al. 2020): each token of [CLS]
// text [SEP] is masked in turn and conditioned on all others. In a text longer than the context
// each token has its own window, as wide as the context allows, with the token as near to its
// middle as the ends of the text allow. This costs nothing, because every token takes its own pass
// anyway.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "infer/model_folder.h"
#include "infer/predictor.h"

namespace apollo {

struct ScoreOptions {
  int64_t depth = 0;           // 0: the depth of the final model
  int64_t batch_size = 16;     // sequences of the context's length per pass, more of shorter ones
  bool json = false;           // score_lines: one {"tokens": [...], "logprobs": [...]} per line
  Workers* workers = nullptr;  // score_lines: they share the passes; null: only this process
};

struct TextScore {
  std::vector<TokenId> tokens;
  std::vector<std::optional<double>> logprobs;  // of each token, in nats

  double total() const;        // of the tokens that have a value
  int64_t num_scored() const;  // the number of tokens that have a value
};

// Returns the scores of each text. Up to rounding they do not depend on the other texts. Throws
// Interrupted between passes if a signal asks to stop.
std::vector<TextScore> score_texts(const Predictor& predictor, std::span<const std::string> texts,
                                   const ShareDone& on_share_done = {});

// Writes one line for each line of input. Plain output is the sum of the line's log-probabilities,
// a tab, and the number of tokens in the sum. JSON output has the tokens as text (U+FFFD for bytes
// that are not a whole character) and their log-probabilities, null if there is none. If there are
// several workers, all must read the same lines, and the first writes.
void score_lines(const LoadedModel& loaded, std::istream& in, std::ostream& out,
                 const ScoreOptions& options);

}  // namespace apollo
