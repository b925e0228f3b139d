// Checks and repairs UTF-8 like Python's bytes.decode("utf-8", "replace"): one U+FFFD for each
// maximal subpart of an ill-formed sequence (Unicode 15, section 3.9, table 3-8).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace apollo {

bool is_valid_utf8(std::string_view text);

// Writes `in` to `out` with each ill-formed sequence replaced by U+FFFD, and returns how many were
// replaced. `out` must not own `in`.
int64_t repair_utf8(std::string_view in, std::string& out);

// Returns `text` itself if it is valid, else its repaired form, stored in `storage`.
std::string_view as_valid_utf8(std::string_view text, std::string& storage);

// The length in bytes of the ill- or well-formed sequence at the start of `text` (not empty).
struct Utf8Sequence {
  int length = 0;
  bool valid = false;
  char32_t code_point = 0;  // U+FFFD if not valid
};
Utf8Sequence next_utf8(std::string_view text);

// Appends the UTF-8 form of a scalar value.
void append_utf8(char32_t code_point, std::string& out);

}  // namespace apollo
