#include "text/added_tokens.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "text/byte_level.h"
#include "text/utf8.h"

namespace apollo {
namespace {

struct CodePointRange {
  char32_t first;
  char32_t last;
};

#include "text/word_classes.inc"

// \w of Unicode regular expressions (UTS 18, annex C).
bool is_word_char(char32_t c) {
  const auto next = std::upper_bound(
      std::begin(kWordRanges), std::end(kWordRanges), c,
      [](char32_t code_point, const CodePointRange& range) { return code_point < range.first; });
  return next != std::begin(kWordRanges) && c <= std::prev(next)->last;
}

// Start of the last character of `text`, which is valid and not empty.
size_t last_char_start(std::string_view text) {
  size_t start = text.size() - 1;
  while (start > 0 && (text[start] & 0xC0) == 0x80)
    --start;
  return start;
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && is_word_char(next_utf8(text.substr(last_char_start(text))).code_point);
}

bool starts_with_word(std::string_view text) {
  return !text.empty() && is_word_char(next_utf8(text).code_point);
}

size_t without_trailing_space(std::string_view text) {
  while (!text.empty()) {
    const size_t start = last_char_start(text);
    if (char_class(next_utf8(text.substr(start)).code_point) != CharClass::kSpace) break;
    text = text.substr(0, start);
  }
  return text.size();
}

size_t leading_space(std::string_view text) {
  size_t length = 0;
  while (length < text.size()) {
    const Utf8Sequence next = next_utf8(text.substr(length));
    if (char_class(next.code_point) != CharClass::kSpace) break;
    length += static_cast<size_t>(next.length);
  }
  return length;
}

}  // namespace

void AddedTokenMatcher::Round::add(const AddedToken& token) {
  auto& bucket = by_first_byte_[static_cast<unsigned char>(token.text[0])];
  if (bucket.empty()) first_bytes_ += token.text[0];
  bucket.push_back(token);
}

void AddedTokenMatcher::Round::sort() {
  for (auto& bucket : by_first_byte_) {
    std::stable_sort(bucket.begin(), bucket.end(), [](const AddedToken& a, const AddedToken& b) {
      return a.text.size() > b.text.size();
    });
  }
}

// The first token at or after `from`, with where it begins; null where there is none.
const AddedToken* AddedTokenMatcher::Round::find(std::string_view text, size_t from,
                                                 size_t& begin) const {
  while (true) {
    begin = first_bytes_.size() == 1 ? text.find(first_bytes_[0], from)
                                     : text.find_first_of(first_bytes_, from);
    if (begin == std::string_view::npos) return nullptr;
    for (const AddedToken& token : by_first_byte_[static_cast<unsigned char>(text[begin])]) {
      if (text.substr(begin).starts_with(token.text)) return &token;
    }
    from = begin + 1;
  }
}

void AddedTokenMatcher::Round::split(std::string_view text, bool parse_special,
                                     std::vector<TextSpan>& spans) const {
  size_t done = 0;  // text before it is in spans
  size_t from = 0;  // where to look on
  size_t begin = 0;
  while (const AddedToken* token = find(text, from, begin)) {
    size_t end = begin + token->text.size();
    from = end;
    if (token->special && !parse_special) continue;
    if (token->single_word &&
        (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(end)))) {
      continue;
    }
    // White space that the token before took along may still begin this one.
    if (token->lstrip) begin = std::max(without_trailing_space(text.substr(0, begin)), done);
    if (token->rstrip) end += leading_space(text.substr(end));
    if (begin > done) spans.push_back({text.substr(done, begin - done)});
    begin = std::min(begin, end);
    spans.push_back({text.substr(begin, end - begin), token->id});
    done = end;
  }
  if (done < text.size()) spans.push_back({text.substr(done)});
}

bool AddedTokenMatcher::Round::touches(std::string_view text, size_t place) const {
  for (const char first : first_bytes_) {
    for (const AddedToken& token : by_first_byte_[static_cast<unsigned char>(first)]) {
      const size_t size = token.text.size();
      const size_t begin = place > size ? place - size : 0;
      const size_t found = text.substr(0, place + size).find(token.text, begin);
      if (found != std::string_view::npos && found <= place) return true;
    }
  }
  return false;
}

AddedTokenMatcher::AddedTokenMatcher(const std::vector<AddedToken>& tokens) {
  for (const AddedToken& token : tokens) {
    (token.normalized ? normalized_ : raw_).add(token);
    longest_ = std::max(longest_, token.text.size());
  }
  raw_.sort();
  normalized_.sort();
}

bool AddedTokenMatcher::touches(std::string_view text, size_t place) const {
  return raw_.touches(text, place) || normalized_.touches(text, place);
}

void AddedTokenMatcher::split(std::string_view text, bool parse_special,
                              std::vector<TextSpan>& spans) const {
  spans.clear();
  if (text.empty()) return;
  if (raw_.empty()) return normalized_.split(text, parse_special, spans);
  if (normalized_.empty()) return raw_.split(text, parse_special, spans);
  std::vector<TextSpan> coarse;
  raw_.split(text, parse_special, coarse);
  for (const TextSpan& span : coarse) {
    if (span.id != TextSpan::kNoToken) {
      spans.push_back(span);
    } else {
      normalized_.split(span.text, parse_special, spans);
    }
  }
}

std::vector<AddedToken> tokens_in_raw_text(const std::vector<AddedToken>& added) {
  std::vector<AddedToken> raw;
  std::copy_if(added.begin(), added.end(), std::back_inserter(raw),
               [](const AddedToken& token) { return !token.normalized; });
  return raw;
}

NormalizedTokenMatcher::NormalizedTokenMatcher(const std::vector<AddedToken>& added,
                                               NormalizeText normalize)
    : normalize_(std::move(normalize)), matcher_([&] {
        std::vector<AddedToken> tokens;
        for (AddedToken token : added) {
          if (!token.normalized) continue;
          std::string text;
          normalize_(token.text, text);
          token.text = std::move(text);
          if (!token.text.empty()) tokens.push_back(std::move(token));
        }
        return tokens;
      }()) {}

// Normal text may be several times shorter or longer than the text.
size_t NormalizedTokenMatcher::reach() const {
  return empty() ? 0 : 8 * longest() + 16;
}

bool NormalizedTokenMatcher::touches(std::string_view text, size_t place) const {
  if (empty()) return false;
  const auto window = [&](size_t begin, size_t end) {
    std::string normal;
    std::string repaired;
    normalize_(as_valid_utf8(text.substr(begin, end - begin), repaired), normal);
    return normal;
  };
  size_t begin = place - std::min(place, reach());
  while (begin > 0 && begin < place && (text[begin] & 0xC0) == 0x80)
    ++begin;
  size_t end = std::min(text.size(), place + reach());
  while (end < text.size() && end > place && (text[end] & 0xC0) == 0x80)
    --end;
  const std::string before = window(begin, place);
  const std::string after = window(place, end);
  const bool is_enough = (begin == 0 || before.size() >= longest()) &&
                         (end == text.size() || after.size() >= longest());
  return !is_enough || matcher_.touches(before + after, before.size());
}

}  // namespace apollo
