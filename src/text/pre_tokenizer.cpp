#include "text/pre_tokenizer.h"

#include <array>

#include "text/byte_level.h"

namespace apollo {
namespace {

constexpr std::array<std::string_view, 3> kPatterns = {
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

// A character at a position of valid UTF-8.
struct Char {
  CharClass kind;
  size_t length;
};

// Text with the classes of its characters.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : classes_(char_classes()), text_(text) {}

  bool ends_at(size_t at) const { return at >= text_.size(); }
  bool is_line_end(size_t at) const { return text_[at] == '\n' || text_[at] == '\r'; }

  Char char_at(size_t at) const {
    const auto byte = [&](size_t i) { return static_cast<char32_t>(text_[at + i] & 0xFF); };
    const char32_t first = byte(0);
    if (first < 0x80) return {classes_[first], 1};
    if (first < 0xE0) return {classes_[(first & 0x1F) << 6 | (byte(1) & 0x3F)], 2};
    if (first < 0xF0) {
      return {classes_[(first & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F)], 3};
    }
    return {classes_[(first & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 |
                     (byte(3) & 0x3F)],
            4};
  }

  // End of the run of characters of `kind` that begins at `at`, of at most `limit` characters.
  size_t run_end(size_t at, CharClass kind, size_t limit = std::string_view::npos) const {
    for (; limit > 0 && !ends_at(at); --limit) {
      const Char next = char_at(at);
      if (next.kind != kind) break;
      at += next.length;
    }
    return at;
  }

  size_t line_ends_end(size_t at) const {
    while (!ends_at(at) && is_line_end(at))
      ++at;
    return at;
  }

 private:
  const CharClass* classes_;
  std::string_view text_;
};

// Length of one of 's 't 're 've 'm 'll 'd at the start of `text`, which starts with ', or 0.
size_t contraction_length(std::string_view text) {
  if (text.size() < 2) return 0;
  switch (text[1]) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return 2;
    case 'r':
    case 'v':
      return text.size() > 2 && text[2] == 'e' ? 3 : 0;
    case 'l':
      return text.size() > 2 && text[2] == 'l' ? 3 : 0;
    default:
      return 0;
  }
}

// The same in either case: (?i:...), to which the long s is an s too.
size_t any_case_contraction_length(std::string_view text) {
  if (text.starts_with("'\u017F")) return 3;
  std::array<char, 3> lower = {};
  const size_t size = text.size() < lower.size() ? text.size() : lower.size();
  for (size_t i = 0; i < size; ++i) {
    const char c = text[i];
    lower[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return contraction_length({lower.data(), size});
}

// A run of white space that stands before something else leaves its last character to it, where
// it has more than one: \s+(?!\S)|\s+.
size_t space_run_length(const Scanner& text) {
  size_t end = 0;
  size_t last_start = 0;
  while (!text.ends_at(end)) {
    const Char next = text.char_at(end);
    if (next.kind != CharClass::kSpace) return last_start == 0 ? end : last_start;
    last_start = end;
    end += next.length;
  }
  return end;
}

// The same where line ends go first, with all white space before the last of them:
// \s*[\r\n]+|\s+(?!\S)|\s+.
size_t space_or_line_end_length(const Scanner& text) {
  size_t after_line_end = 0;
  size_t end = 0;
  while (!text.ends_at(end)) {
    const Char next = text.char_at(end);
    if (next.kind != CharClass::kSpace) break;
    const bool is_line_end = text.is_line_end(end);
    end += next.length;
    if (is_line_end) after_line_end = end;
  }
  return after_line_end > 0 ? after_line_end : space_run_length(text);
}

size_t gpt2_length(std::string_view bytes) {
  if (bytes[0] == '\'') {
    const size_t length = contraction_length(bytes);
    if (length > 0) return length;
  }
  const Scanner text(bytes);
  size_t start = 0;
  Char first = text.char_at(0);
  if (bytes[0] == ' ' && bytes.size() > 1) {
    first = text.char_at(1);
    start = 1;
  }
  if (first.kind == CharClass::kSpace) return space_run_length(text);
  return text.run_end(start + first.length, first.kind);
}

// Llama 3 and Qwen: `max_digits` numbers in one pre-token.
size_t split_length(std::string_view bytes, size_t max_digits) {
  if (bytes[0] == '\'') {
    const size_t length = any_case_contraction_length(bytes);
    if (length > 0) return length;
  }
  const Scanner text(bytes);
  const Char first = text.char_at(0);
  if (first.kind == CharClass::kLetter) return text.run_end(first.length, CharClass::kLetter);
  if (first.kind == CharClass::kNumber) return text.run_end(0, CharClass::kNumber, max_digits);
  // [^\r\n\p{L}\p{N}]?\p{L}+
  const bool may_lead = !text.is_line_end(0);
  if (may_lead && !text.ends_at(first.length) &&
      text.char_at(first.length).kind == CharClass::kLetter) {
    return text.run_end(first.length, CharClass::kLetter);
  }
  // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
  const size_t start = bytes[0] == ' ' ? 1 : 0;
  const size_t end = text.run_end(start, CharClass::kOther);
  if (end > start) return text.line_ends_end(end);
  return space_or_line_end_length(text);
}

}  // namespace

std::string_view pre_token_pattern(PreTokenizer kind) {
  return kPatterns[static_cast<size_t>(kind)];
}

std::optional<PreTokenizer> find_pre_tokenizer(std::string_view pattern) {
  for (size_t i = 0; i < kPatterns.size(); ++i) {
    if (kPatterns[i] == pattern) return static_cast<PreTokenizer>(i);
  }
  return std::nullopt;
}

size_t pre_token_length(PreTokenizer kind, std::string_view text) {
  switch (kind) {
    case PreTokenizer::kLlama3:
      return split_length(text, 3);
    case PreTokenizer::kQwen:
      return split_length(text, 1);
    case PreTokenizer::kGpt2:
      break;
  }
  return gpt2_length(text);
}

bool may_cut_pre_tokens(PreTokenizer kind, std::string_view text, size_t place) {
  const Scanner scanner(text);
  if (kind == PreTokenizer::kGpt2 || !scanner.is_line_end(place)) return true;
  size_t last = place - 1;
  while (last > 0 && (text[last] & 0xC0) == 0x80)
    --last;
  const CharClass before = scanner.char_at(last).kind;
  return before == CharClass::kLetter || before == CharClass::kNumber;
}

}  // namespace apollo
