#include "text/bert_normalizer.h"

#include <algorithm>
#include <iterator>
#include <memory>

#include "text/byte_level.h"
#include "text/normal_forms.h"
#include "text/utf8.h"

namespace apollo {
namespace {

struct CodePointRange {
  char32_t first;
  char32_t last;
};

// `first` becomes `to`, `first + step` becomes `to + step`, and so on to `last`.
struct LowerCaseRange {
  char32_t first;
  char32_t last;
  char32_t step;
  char32_t to;
};

#include "text/bert_classes.inc"

constexpr size_t kNumCodePoints = 0x110000;

enum BertClass : uint8_t { kRemoved = 1, kWhiteSpace = 2, kPunctuation = 4, kAccent = 8 };

// One byte a code point: 1.1 MB, of which a text touches a few pages.
class ClassTable {
 public:
  ClassTable() : classes_(std::make_unique<uint8_t[]>(kNumCodePoints)) {
    for (const auto& range : kRemovedRanges)
      add(range, kRemoved);
    for (const auto& range : kPunctuationRanges)
      add(range, kPunctuation);
    for (const auto& range : kAccentRanges)
      add(range, kAccent);
    for (char32_t c = 0; c < kNumCodePoints; ++c) {
      if (char_class(c) == CharClass::kSpace) classes_[c] |= kWhiteSpace;
    }
  }
  bool is(BertClass kind, char32_t code_point) const { return (classes_[code_point] & kind) != 0; }

 private:
  void add(const CodePointRange& range, BertClass kind) {
    for (char32_t c = range.first; c <= range.last; ++c)
      classes_[c] |= kind;
  }

  std::unique_ptr<uint8_t[]> classes_;
};

const ClassTable& class_table() {
  static const ClassTable table;
  return table;
}

// The blocks that BERT calls Chinese. The gap before U+2B920 is the one of `tokenizers`.
bool is_cjk(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) ||
         (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

void append_lower(char32_t c, std::string& out) {
  if (c == 0x130) {  // the only capital whose small form is two characters: i and a dot above
    out += "i\u0307";
    return;
  }
  if (c < kLowerCaseRanges[0].first) return append_utf8(c, out);
  const LowerCaseRange& range = *std::prev(std::upper_bound(
      std::begin(kLowerCaseRanges), std::end(kLowerCaseRanges), c,
      [](char32_t code_point, const LowerCaseRange& next) { return code_point < next.first; }));
  const bool is_capital = c <= range.last && (c - range.first) % range.step == 0;
  append_utf8(is_capital ? range.to + (c - range.first) : c, out);
}

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

template <class Visit>
void for_each_code_point(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const Utf8Sequence next = next_utf8(text);
    visit(next.code_point, text.substr(0, static_cast<size_t>(next.length)));
    text.remove_prefix(static_cast<size_t>(next.length));
  }
}

void clean_and_space(std::string_view text, const BertNormalizerOptions& options,
                     std::string& out) {
  const ClassTable& table = class_table();
  for_each_code_point(text, [&](char32_t c, std::string_view bytes) {
    if (options.clean_text && table.is(kRemoved, c)) return;
    if (options.clean_text && table.is(kWhiteSpace, c)) {
      out += ' ';
    } else if (options.handle_chinese_chars && is_cjk(c)) {
      out += ' ';
      out += bytes;
      out += ' ';
    } else {
      out += bytes;
    }
  });
}

std::string without_accents(std::string_view text) {
  std::string result;
  for_each_code_point(to_nfd(text), [&](char32_t c, std::string_view bytes) {
    if (!class_table().is(kAccent, c)) result += bytes;
  });
  return result;
}

void lower(std::string_view text, std::string& out) {
  for_each_code_point(text, [&](char32_t c, std::string_view) { append_lower(c, out); });
}

void normalize_ascii(std::string_view text, const BertNormalizerOptions& options,
                     std::string& out) {
  const ClassTable& table = class_table();
  for (const char c : text) {
    const auto code_point = static_cast<char32_t>(c);
    if (options.clean_text && table.is(kRemoved, code_point)) continue;
    if (options.clean_text && table.is(kWhiteSpace, code_point)) {
      out += ' ';
    } else {
      out += options.lowercase && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
}

enum class AsciiKind : uint8_t { kOther, kSpace, kPunctuation };

AsciiKind ascii_kind(char c) {
  if (c == ' ' || c == '\n' || c == '\t' || c == '\r') return AsciiKind::kSpace;
  const bool is_punctuation = (c >= '!' && c <= '/') || (c >= ':' && c <= '@') ||
                              (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
  return is_punctuation ? AsciiKind::kPunctuation : AsciiKind::kOther;
}

}  // namespace

void normalize_bert(std::string_view text, const BertNormalizerOptions& options, std::string& out) {
  if (is_ascii(text)) return normalize_ascii(text, options, out);
  std::string spaced;
  clean_and_space(text, options, spaced);
  if (options.strips_accents()) spaced = without_accents(spaced);
  if (options.lowercase) {
    lower(spaced, out);
  } else {
    out += spaced;
  }
}

std::string_view next_bert_word(std::string_view& text) {
  const ClassTable& table = class_table();
  size_t begin = 0;
  size_t end = 0;
  while (end < text.size()) {
    const Utf8Sequence next = next_utf8(text.substr(end));
    const bool is_space = table.is(kWhiteSpace, next.code_point);
    const bool is_punctuation = table.is(kPunctuation, next.code_point);
    if ((is_space || is_punctuation) && end > begin) break;
    end += static_cast<size_t>(next.length);
    if (is_space) begin = end;
    if (is_punctuation) break;
  }
  const std::string_view word = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return word;
}

std::string_view next_bert_chunk(std::string_view& text) {
  size_t begin = 0;
  while (begin < text.size() && ascii_kind(text[begin]) == AsciiKind::kSpace)
    ++begin;
  size_t end = begin;
  while (end < text.size() && ascii_kind(text[end]) == AsciiKind::kOther)
    ++end;
  if (end == begin && end < text.size()) ++end;
  const std::string_view chunk = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return chunk;
}

}  // namespace apollo
