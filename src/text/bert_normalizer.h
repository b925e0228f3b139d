// What BERT does to text before WordPiece (Devlin et al. 2019, tokenization.py, BasicTokenizer):
// clean up, put spaces around CJK ideographs, strip accents, lower the case; then cut at white
// space and around every punctuation character. As the `tokenizers` package does it
// (BertNormalizer, BertPreTokenizer), character by character.
//
// `tokenizers` mixes Unicode versions: 9 for decomposition, an older one for categories, the newest
// for case. Decomposition is ICU's, held to version 9; categories and case are tables taken from
// the package (bert_classes.inc), so that ids do not change with the system's ICU.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace apollo {

struct BertNormalizerOptions {
  bool clean_text = true;             // drop control characters, make all white space " "
  bool handle_chinese_chars = true;   // a space on both sides
  std::optional<bool> strip_accents;  // not set: where the case is lowered
  bool lowercase = true;

  bool strips_accents() const { return strip_accents.value_or(lowercase); }
};

// Appends the normal form of `text`, which is valid UTF-8, to `out`.
void normalize_bert(std::string_view text, const BertNormalizerOptions& options, std::string& out);

// Cuts the first word off the front of `text`, which is valid UTF-8 and normalised, with the white
// space before it. Empty where there is none left.
std::string_view next_bert_word(std::string_view& text);

// Cuts off the first stretch of `text`, not yet normalised, that gives the same words alone as
// among its neighbours: one ASCII punctuation character, or a run without any and without ASCII
// white space. No word goes across its ends, nor does anything that normalisation looks at. Empty
// where there is none left.
std::string_view next_bert_chunk(std::string_view& text);

}  // namespace apollo
