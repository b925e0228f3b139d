// How a byte-level tokenizer cuts text into pre-tokens, which no merge crosses: the patterns of
// three families, each as its tokenizer.json spells it (pre_token_pattern()).
//
// A pattern is a hand-written scanner: one pass, a table look-up a character, five times as fast as
// a compiled regular expression. Tests hold each to its pattern and to `tokenizers`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/enum_names.h"

namespace apollo {

// GPT-2 (Radford et al. 2019, encoder.py), which ModernBERT shares; Llama 3; Qwen 2 and 3. The last
// two differ in numbers alone: up to three digits a pre-token, or one.
enum class PreTokenizer : uint8_t { kGpt2, kLlama3, kQwen };
template <>
inline constexpr std::array<std::string_view, 3> kEnumNames<PreTokenizer> = {"gpt2", "llama3",
                                                                             "qwen"};

// The regular expression.
std::string_view pre_token_pattern(PreTokenizer kind);

// The kind whose expression this is, letter for letter; nullopt for any other.
std::optional<PreTokenizer> find_pre_tokenizer(std::string_view pattern);

// Bytes of the first pre-token of `text`, which is valid UTF-8 and not empty. The rest of the text
// decides only about white space at its end.
size_t pre_token_length(PreTokenizer kind, std::string_view text);

// Whether a document may be cut at `place` of `text`, where white space follows a character that is
// none, so that both parts give the pre-tokens of the whole. GPT-2's pattern allows it everywhere:
// all that takes a non-space takes nothing but non-spaces after it, and its look-ahead (?!\S) asks
// for the character behind a run of white space, on the same side of the cut. The patterns of Llama
// 3 and Qwen take line ends to the punctuation before them, and so allow no cut between the two.
bool may_cut_pre_tokens(PreTokenizer kind, std::string_view text, size_t place);

}  // namespace apollo
