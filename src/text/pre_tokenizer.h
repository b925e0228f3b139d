// How a byte-level tokenizer cuts text into pre-tokens, which no merge crosses. It knows the
// patterns of three families, spelled as in their tokenizer.json (pre_token_pattern()).
//
// Each pattern is a hand-written scanner: one pass with one table look-up per character, five times
// as fast as a compiled regular expression. Tests check each against its pattern and `tokenizers`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/enum_names.h"

namespace apollo {

// GPT-2 (Radford et al. 2019, encoder.py), also for ModernBERT; Llama 3; Qwen 2 and 3. The last two
// differ only in numbers: up to three digits per pre-token, or one.
enum class PreTokenizer : uint8_t { kGpt2, kLlama3, kQwen };
template <>
inline constexpr std::array<std::string_view, 3> kEnumNames<PreTokenizer> = {"gpt2", "llama3",
                                                                             "qwen"};

// Returns the regular expression.
std::string_view pre_token_pattern(PreTokenizer kind);

// Returns the kind with exactly this expression; nullopt for any other.
std::optional<PreTokenizer> find_pre_tokenizer(std::string_view pattern);

// Returns the bytes of the first pre-token of `text`, which is valid UTF-8 and not empty. The rest
// of the text matters only if white space is at its end.
size_t pre_token_length(PreTokenizer kind, std::string_view text);

// Whether a document may be cut at `place` of `text`, where white space follows a character that is
// not white space, so that both parts give the pre-tokens of the whole. GPT-2's pattern allows it
// everywhere: after a non-space all its parts take only non-spaces, and its look-ahead (?!\S) reads
// the character after a run of white space, which is on the same side of the cut. The patterns of
// Llama 3 and Qwen add line ends to the punctuation before them, so they allow no cut between the
// two.
bool may_cut_pre_tokens(PreTokenizer kind, std::string_view text, size_t place);

}  // namespace apollo
