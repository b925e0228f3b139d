// Continues a text with a causal model, token by token.
//
// Token i of a seed is drawn with one uniform number keyed by (seed, i), so a text depends only on
// prompt, options and logits. While the text fits the model's context, keys and values of earlier
// tokens are kept and a token costs one row of every product. Beyond the context each token needs a
// pass over the last `context` tokens, because all their positions have changed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "infer/model_folder.h"

namespace apollo {

struct GenerateOptions {
  int64_t max_tokens = 200;
  double temperature = 1.0;  // 0: always the most likely token
  int64_t top_k = 0;         // draw from the k most likely tokens; 0: from all
  double top_p = 1.0;        // then from the fewest of those with this total probability
  uint64_t seed = 0;
  int64_t depth = 0;  // 0: the depth of the final model
  bool heeds_signals = true;
};

// Throws UsageError if an option is out of range.
void check_options(const GenerateOptions& options);

// Returns the index that `uniform` in [0, 1) selects from softmax(logits / temperature), restricted
// to the top_k largest logits (among equals the lower index first), and of these to the fewest
// largest whose probabilities sum to top_p ("nucleus sampling", Holtzman et al. 2020, section 3.1).
// An index with logit -inf is never selected.
int64_t sample_index(std::span<const float> logits, const GenerateOptions& options, double uniform);

// Which ids generate_tokens() may draw: one entry per id of the model's vocabulary.
using TokenMask = std::vector<bool>;

// Calls `on_token` with each new token after `prompt` (not empty, ids in the vocabulary) until
// max_tokens, or until `stop` is drawn, which is not passed on. The model sees the last `context`
// tokens. Throws Interrupted between tokens if a signal asks to stop and the options heed it, and
// CheckpointError if the logits are not finite.
void generate_tokens(const LanguageModel& model, std::vector<TokenId> prompt,
                     const TokenMask& allowed, std::optional<TokenId> stop,
                     const GenerateOptions& options, const std::function<void(TokenId)>& on_token);

// Returns the ids of a prompt, after the token that begins a text if the tokenizer has one. Without
// such a token, an empty prompt becomes the end of text. Throws DataError if the tokenizer makes no
// token of the prompt.
std::vector<TokenId> encode_prompt(const Tokenizer& tokenizer, std::string_view prompt);
// Does the same for a loaded model. It also throws CheckpointError if the model is a masked one,
// and DataError if there is no tokenizer or a token is beyond the model's vocabulary.
std::vector<TokenId> encode_prompt(const LoadedModel& loaded, std::string_view prompt);

// Calls `write` with the continuation of `prompt` in pieces of whole UTF-8 characters. The
// end-of-text token (eos) ends the text. `begins_text`: the prompt is not part of the text. Returns
// the number of tokens written.
int64_t continue_text(const LanguageModel& model, const Tokenizer& tokenizer,
                      std::vector<TokenId> prompt, const GenerateOptions& options,
                      const std::function<void(std::string_view)>& write, bool begins_text = false);

// continue_text() of encode_prompt(prompt).
int64_t generate_text(const LoadedModel& loaded, std::string_view prompt,
                      const GenerateOptions& options,
                      const std::function<void(std::string_view)>& write);

}  // namespace apollo
