#include "text/byte_level.h"

#include <array>
#include <memory>

#include "text/utf8.h"

namespace apollo {
namespace {

struct CodePointRange {
  char32_t first;
  char32_t last;
};

#include "text/unicode_classes.inc"

constexpr size_t kNumCodePoints = 0x110000;

// One byte a code point: 1.1 MB, of which a text touches a few pages.
class ClassTable {
 public:
  ClassTable() : classes_(std::make_unique<CharClass[]>(kNumCodePoints)) {
    for (const auto& range : kLetterRanges)
      fill(range, CharClass::kLetter);
    for (const auto& range : kNumberRanges)
      fill(range, CharClass::kNumber);
    for (const auto& range : kSpaceRanges)
      fill(range, CharClass::kSpace);
  }
  CharClass operator[](char32_t code_point) const { return classes_[code_point]; }

 private:
  void fill(const CodePointRange& range, CharClass value) {
    for (char32_t c = range.first; c <= range.last; ++c)
      classes_[c] = value;
  }

  std::unique_ptr<CharClass[]> classes_;
};

const ClassTable& class_table() {
  static const ClassTable table;
  return table;
}

// A character at a position of valid UTF-8.
struct Char {
  CharClass kind;
  size_t length;
};

Char char_at(const ClassTable& table, std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(text[at + i] & 0xFF); };
  const char32_t first = byte(0);
  if (first < 0x80) return {table[first], 1};
  if (first < 0xE0) return {table[(first & 0x1F) << 6 | (byte(1) & 0x3F)], 2};
  if (first < 0xF0) {
    return {table[(first & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F)], 3};
  }
  return {table[(first & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 |
                (byte(3) & 0x3F)],
          4};
}

size_t run_end(const ClassTable& table, std::string_view text, size_t at, CharClass kind) {
  while (at < text.size()) {
    const Char next = char_at(table, text, at);
    if (next.kind != kind) break;
    at += next.length;
  }
  return at;
}

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

// A run of white space that stands before something else leaves its last character to it, where
// it has more than one: \s+(?!\S)|\s+.
size_t space_run_length(const ClassTable& table, std::string_view text) {
  size_t end = 0;
  size_t last_start = 0;
  while (end < text.size()) {
    const Char next = char_at(table, text, end);
    if (next.kind != CharClass::kSpace) return last_start == 0 ? end : last_start;
    last_start = end;
    end += next.length;
  }
  return end;
}

// bytes_to_unicode() of encoder.py: printable Latin-1 stands for itself, every other byte for the
// next free character from U+0100 on.
struct ByteChars {
  ByteChars() {
    char32_t next = 0x100;
    by_char.fill(-1);
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable =
          (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      const char32_t code_point = printable ? static_cast<char32_t>(byte) : next++;
      append_utf8(code_point, by_byte[static_cast<size_t>(byte)]);
      by_char[code_point] = static_cast<int16_t>(byte);
    }
  }
  std::array<std::string, 256> by_byte;
  std::array<int16_t, 0x144> by_char;
};

const ByteChars& byte_chars() {
  static const ByteChars chars;
  return chars;
}

}  // namespace

CharClass char_class(char32_t code_point) {
  return class_table()[code_point];
}

size_t pre_token_length(std::string_view text) {
  const ClassTable& table = class_table();
  if (text[0] == '\'') {
    const size_t length = contraction_length(text);
    if (length > 0) return length;
  }
  size_t start = 0;
  Char first = char_at(table, text, 0);
  if (text[0] == ' ' && text.size() > 1) {
    first = char_at(table, text, 1);
    start = 1;
  }
  if (first.kind == CharClass::kSpace) return space_run_length(table, text);
  return run_end(table, text, start + first.length, first.kind);
}

std::string bytes_to_chars(std::string_view bytes) {
  std::string chars;
  for (const char c : bytes)
    chars += byte_chars().by_byte[static_cast<unsigned char>(c)];
  return chars;
}

std::optional<std::string> chars_to_bytes(std::string_view chars) {
  const auto& by_char = byte_chars().by_char;
  std::string bytes;
  while (!chars.empty()) {
    const Utf8Sequence sequence = next_utf8(chars);
    if (!sequence.valid || sequence.code_point >= by_char.size()) return std::nullopt;
    const int16_t byte = by_char[sequence.code_point];
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
    chars.remove_prefix(static_cast<size_t>(sequence.length));
  }
  return bytes;
}

}  // namespace apollo
