// Tokens outside the vocabulary's merges, such as <|endoftext|>. They are found in the text before
// anything else, leftmost and longest first, by the rules of `tokenizers` (AddedVocabulary).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace apollo {

struct AddedToken {
  TokenId id = 0;
  std::string text;
  bool special = false;
  bool lstrip = false;       // includes the white space before it
  bool rstrip = false;       // includes the white space after it
  bool single_word = false;  // not next to a letter, digit or _
  bool normalized = false;   // searched for in normalised text, after the others

  bool operator==(const AddedToken&) const = default;
};

// A stretch of text; it is ordinary text if id is kNoToken.
struct TextSpan {
  static constexpr TokenId kNoToken = -1;
  std::string_view text;
  TokenId id = kNoToken;
};

class AddedTokenMatcher {
 public:
  explicit AddedTokenMatcher(const std::vector<AddedToken>& tokens);

  // Cuts `text` (valid UTF-8) into `spans`, none of them empty. Without `parse_special`, special
  // tokens are ordinary text.
  void split(std::string_view text, bool parse_special, std::vector<TextSpan>& spans) const;

  // Whether one of the tokens, special or not, occurs in `text` so that `place` is inside it or at
  // one of its ends. Otherwise the two sides are split separately as they are together, provided
  // that white space begins at `place`.
  bool touches(std::string_view text, size_t place) const;
  // The length of the longest token in bytes.
  size_t longest() const { return longest_; }

  // Appends the ids of `text` to `ids`; `encode_text` does so for the text between the tokens.
  template <class EncodeText>
  void encode(std::string_view text, bool parse_special, std::vector<TokenId>& ids,
              EncodeText encode_text) const {
    std::vector<TextSpan> spans;
    split(text, parse_special, spans);
    for (const TextSpan& span : spans) {
      if (span.id == TextSpan::kNoToken) {
        encode_text(span.text);
      } else {
        ids.push_back(span.id);
      }
    }
  }

 private:
  // The tokens of one round, by their first byte, the longest first.
  class Round {
   public:
    void add(const AddedToken& token);
    void sort();
    bool empty() const { return first_bytes_.empty(); }
    void split(std::string_view text, bool parse_special, std::vector<TextSpan>& spans) const;
    bool touches(std::string_view text, size_t place) const;

   private:
    const AddedToken* find(std::string_view text, size_t from, size_t& begin) const;

    std::array<std::vector<AddedToken>, 256> by_first_byte_;
    std::string first_bytes_;
  };

  Round raw_;
  Round normalized_;
  size_t longest_ = 0;
};

// Appends the normal form of a text, as the tokenizer's normaliser makes it, to another.
using NormalizeText = std::function<void(std::string_view text, std::string& out)>;

// Added tokens that are searched for in normalised text, after all others, in their normalised
// form. Tokens of which nothing is left are skipped.
class NormalizedTokenMatcher {
 public:
  // Takes those of `added` that are `normalized`.
  NormalizedTokenMatcher(const std::vector<AddedToken>& added, NormalizeText normalize);

  bool empty() const { return longest() == 0; }
  size_t longest() const { return matcher_.longest(); }

  // Like AddedTokenMatcher::encode(), for text that is already normalised.
  template <class EncodeText>
  void encode(std::string_view text, bool parse_special, std::vector<TokenId>& ids,
              EncodeText encode_text) const {
    matcher_.encode(text, parse_special, ids, encode_text);
  }

  // Like AddedTokenMatcher::touches(), for text that is not yet normalised. It is also true if
  // reach() bytes on both sides are not enough to decide.
  bool touches(std::string_view text, size_t place) const;
  size_t reach() const;

 private:
  NormalizeText normalize_;
  AddedTokenMatcher matcher_;
};

// Returns the tokens that are searched for in the text as it is.
std::vector<AddedToken> tokens_in_raw_text(const std::vector<AddedToken>& added);

}  // namespace apollo
