// Log-probabilities of given text.
//
// Under a causal model each token is conditioned on those before it, the first on the end of text
// (eos), as at the start of a document in training; a tokenizer without such a token leaves it
// without a value. A text longer than the context is scored in windows that move on by half the
// context, so that every token but those of the first window is conditioned on at least half a
// context.
//
// Under a masked model it is the pseudo-log-likelihood (Salazar et al. 2020): each token of
// [CLS] text [SEP] is masked in turn and conditioned on all others. In a text longer than the
// context each token has a window of its own, as wide as the context allows, with the token in its
// middle or as near to it as the ends of the text allow: since every token takes a pass of its own
// anyway, this costs nothing.
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
  int64_t depth = 0;           // 0: of the final model
  int64_t batch_size = 16;     // sequences of the context's length per pass, more of shorter ones
  bool json = false;           // score_lines: {"tokens": [...], "logprobs": [...]} a line
  Workers* workers = nullptr;  // score_lines: that share the passes; null: none but this process
};

struct TextScore {
  std::vector<TokenId> tokens;
  std::vector<std::optional<double>> logprobs;  // of each token, in nats

  double total() const;        // of those that have a value
  int64_t num_scored() const;  // that have a value
};

// The scores of each text; they do not depend on what else is scored beside it, up to rounding.
// Throws Interrupted between passes when a signal asks to stop.
std::vector<TextScore> score_texts(const Predictor& predictor, std::span<const std::string> texts,
                                   const ShareDone& on_share_done = {});

// One line in, one line out. Plain: the sum of the line's log-probabilities, a tab, and how many
// tokens it sums over. JSON: tokens as text (U+FFFD for bytes that are no whole character) and
// their log-probabilities, null where there is none. Of several workers, who all read the same
// lines, the first writes.
void score_lines(const LoadedModel& loaded, std::istream& in, std::ostream& out,
                 const ScoreOptions& options);

}  // namespace apollo
