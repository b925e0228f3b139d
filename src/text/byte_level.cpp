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
  const CharClass* get() const { return classes_.get(); }

 private:
  void fill(const CodePointRange& range, CharClass value) {
    for (char32_t c = range.first; c <= range.last; ++c)
      classes_[c] = value;
  }

  std::unique_ptr<CharClass[]> classes_;
};

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
  return char_classes()[code_point];
}

const CharClass* char_classes() {
  static const ClassTable table;
  return table.get();
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
