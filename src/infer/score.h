// Log-probabilities of given text under a causal model.
//
// The first token of a text is conditioned on <|endoftext|>, as at the start of a document in
// training; a tokenizer without such a token leaves it without a value. A text longer than the
// context is scored in windows that move on by half the context, so that every token but those of
// the first window is conditioned on at least half a context.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "infer/model_folder.h"

namespace apollo {

struct ScoreOptions {
  int64_t depth = 0;        // 0: of the final model
  int64_t batch_size = 16;  // windows per forward pass
  bool json = false;        // score_lines: {"tokens": [...], "logprobs": [...]} a line
};

struct TextScore {
  std::vector<TokenId> tokens;
  std::vector<std::optional<double>> logprobs;  // of each token, in nats
};

// The scores of each text; they do not depend on what else is scored beside it, up to rounding.
// Throws Interrupted between passes when a signal asks to stop.
std::vector<TextScore> score_texts(const LoadedModel& loaded, std::span<const std::string> texts,
                                   const ScoreOptions& options);

// One line in, one line out. Plain: the sum of the line's log-probabilities, a tab, and how many
// tokens it sums over. JSON: tokens as text (U+FFFD for bytes that are no whole character) and
// their log-probabilities, null where there is none.
void score_lines(const LoadedModel& loaded, std::istream& in, std::ostream& out,
                 const ScoreOptions& options);

}  // namespace apollo
