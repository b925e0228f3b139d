// Writing on: text from a causal model, token by token.
//
// Token i of a seed is drawn with one uniform number keyed by (seed, i), so a text depends on
// nothing but prompt, options and logits. While the text fits the model's context, keys and values
// of the tokens before are kept and a token costs one row of every product; beyond, each token is a
// pass over the last `context` ones, whose positions all differ.
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
  double top_p = 1.0;        // and of those from the fewest that are this likely together
  uint64_t seed = 0;
  int64_t depth = 0;  // 0: of the final model
  bool heeds_signals = true;
};

// Throws UsageError where an option is out of range.
void check_options(const GenerateOptions& options);

// The index that `uniform` in [0, 1) picks from softmax(logits / temperature), restricted to the
// top_k largest (the lower index first among equals), and of these to the fewest largest whose
// probabilities sum up to top_p ("nucleus sampling", Holtzman et al. 2020, section 3.1). An index
// with logit -inf is never picked.
int64_t sample_index(std::span<const float> logits, const GenerateOptions& options, double uniform);

// Which ids generate_tokens may pick: one entry for each id of the model's vocabulary.
using TokenMask = std::vector<bool>;

// Calls `on_token` with each new token after `prompt` (not empty, ids in the vocabulary) until
// max_tokens, or until `stop` is drawn, which is not handed on. The model sees the last
// `context` tokens. Throws Interrupted between tokens when a signal asks to stop and the options
// heed it, CheckpointError where the logits are not finite.
void generate_tokens(const LanguageModel& model, std::vector<TokenId> prompt,
                     const TokenMask& allowed, std::optional<TokenId> stop,
                     const GenerateOptions& options, const std::function<void(TokenId)>& on_token);

// The ids of a prompt, behind the token that begins a text where the tokenizer has one; of an empty
// prompt without that, the end of text. Throws DataError where the tokenizer makes no token of it.
std::vector<TokenId> encode_prompt(const Tokenizer& tokenizer, std::string_view prompt);
// The same, also CheckpointError where the model is a masked one, DataError where it has no
// tokenizer or a token is beyond its vocabulary.
std::vector<TokenId> encode_prompt(const LoadedModel& loaded, std::string_view prompt);

// Calls `write` with the continuation of `prompt` piece by piece, each whole UTF-8. The end-of-text
// token (eos) ends the text. `begins_text`: the prompt is none of the text's own. Returns the
// number of tokens written.
int64_t continue_text(const LanguageModel& model, const Tokenizer& tokenizer,
                      std::vector<TokenId> prompt, const GenerateOptions& options,
                      const std::function<void(std::string_view)>& write, bool begins_text = false);

// continue_text() of encode_prompt(prompt).
int64_t generate_text(const LoadedModel& loaded, std::string_view prompt,
                      const GenerateOptions& options,
                      const std::function<void(std::string_view)>& write);

}  // namespace apollo
