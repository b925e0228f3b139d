// What BERT does to text before WordPiece (Devlin et al. 2019, tokenization.py, BasicTokenizer): it
// cleans up, puts spaces around CJK ideographs, strips accents and lowers the case; then it cuts at
// white space and around every punctuation character. This follows the `tokenizers` package
// (BertNormalizer, BertPreTokenizer), character by character.
//
// `tokenizers` mixes Unicode versions: 9 for decomposition, an older one for categories, the newest
// for case. Decomposition is ICU's, restricted to version 9. Categories and case are tables taken
// from the package (bert_classes.inc), so that ids do not depend on the system's ICU.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace apollo {

struct BertNormalizerOptions {
  bool clean_text = true;             // drop control characters, make all white space " "
  bool handle_chinese_chars = true;   // a space on both sides
  std::optional<bool> strip_accents;  // not set: the same as lowercase
  bool lowercase = true;

  bool strips_accents() const { return strip_accents.value_or(lowercase); }
};

// Appends the normal form of `text`, which is valid UTF-8, to `out`.
void normalize_bert(std::string_view text, const BertNormalizerOptions& options, std::string& out);

// Cuts the first word off the front of `text`, which is valid UTF-8 and normalised, together with
// the white space before it. Returns an empty word if there is none left.
std::string_view next_bert_word(std::string_view& text);

// Cuts off the first stretch of `text`, not yet normalised, that gives the same words on its own as
// next to its neighbours: one ASCII punctuation character, or a run without such characters and
// without ASCII white space. No word crosses its ends, and normalisation looks at nothing beyond
// them. Returns an empty stretch if there is none left.
std::string_view next_bert_chunk(std::string_view& text);

}  // namespace apollo
