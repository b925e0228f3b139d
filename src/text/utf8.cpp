// UTF-8 by hand: ICU's and the standard library's converters do not promise the number of
// replacement characters that Python writes, and equal ids depend on it.
#include "text/utf8.h"

#include <bit>
#include <cstring>

namespace apollo {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// What may follow a lead byte (table 3-7 of the Unicode standard); length 0: never a lead byte.
struct Lead {
  int length;
  unsigned char second_low;
  unsigned char second_high;
};

Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// Bytes below 0x80 at the start of `text`, counted eight at a time.
size_t ascii_prefix(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    const uint64_t high = word & 0x8080808080808080u;
    if (high != 0) {
      if constexpr (std::endian::native == std::endian::little) {
        return i + static_cast<size_t>(std::countr_zero(high)) / 8;
      }
      break;
    }
  }
  while (i < text.size() && static_cast<unsigned char>(text[i]) < 0x80)
    ++i;
  return i;
}

// Bytes of well-formed UTF-8 at the start of `text`.
size_t valid_prefix(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    i += ascii_prefix(text.substr(i));
    if (i == text.size()) break;
    const Utf8Sequence sequence = next_utf8(text.substr(i));
    if (!sequence.valid) break;
    i += static_cast<size_t>(sequence.length);
  }
  return i;
}

}  // namespace

Utf8Sequence next_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const Lead lead = lead_of(first);
  if (lead.length == 1) return {1, true, first};
  if (lead.length == 0) return {1, false, 0xFFFD};
  char32_t code_point = first & (0x7F >> lead.length);
  for (int i = 1; i < lead.length; ++i) {
    const auto at = static_cast<size_t>(i);
    const unsigned char low = i == 1 ? lead.second_low : 0x80;
    const unsigned char high = i == 1 ? lead.second_high : 0xBF;
    if (at >= text.size() || byte(at) < low || byte(at) > high) return {i, false, 0xFFFD};
    code_point = code_point << 6 | (byte(at) & 0x3F);
  }
  return {lead.length, true, code_point};
}

bool is_valid_utf8(std::string_view text) {
  return valid_prefix(text) == text.size();
}

int64_t repair_utf8(std::string_view in, std::string& out) {
  out.clear();
  int64_t num_replaced = 0;
  while (true) {
    const size_t good = valid_prefix(in);
    out.append(in.substr(0, good));
    in.remove_prefix(good);
    if (in.empty()) return num_replaced;
    out += kReplacement;
    in.remove_prefix(static_cast<size_t>(next_utf8(in).length));
    ++num_replaced;
  }
}

std::string_view as_valid_utf8(std::string_view text, std::string& storage) {
  if (is_valid_utf8(text)) return text;
  repair_utf8(text, storage);
  return storage;
}

void append_utf8(char32_t code_point, std::string& out) {
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0 | code_point >> 6);
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0 | code_point >> 12);
    out += static_cast<char>(0x80 | (code_point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code_point >> 18);
    out += static_cast<char>(0x80 | (code_point >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code_point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  }
}

}  // namespace apollo
