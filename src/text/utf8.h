// UTF-8 that is checked and repaired the way Python's bytes.decode("utf-8", "replace") does it: one
// U+FFFD for each maximal subpart of an ill-formed sequence (Unicode 15, section 3.9, table 3-8).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace apollo {

bool is_valid_utf8(std::string_view text);

// Writes `in` to `out` with each ill-formed sequence replaced by U+FFFD; `out` must not hold `in`.
// Returns how many were replaced.
int64_t repair_utf8(std::string_view in, std::string& out);

// `text` itself where it is valid, else its repaired form, which `storage` holds.
std::string_view as_valid_utf8(std::string_view text, std::string& storage);

// Length in bytes of the ill- or well-formed sequence at the start of `text` (not empty).
struct Utf8Sequence {
  int length = 0;
  bool valid = false;
  char32_t code_point = 0;  // U+FFFD where not valid
};
Utf8Sequence next_utf8(std::string_view text);

// Appends the UTF-8 form of a scalar value.
void append_utf8(char32_t code_point, std::string& out);

}  // namespace apollo
