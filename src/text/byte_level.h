// What a byte-level tokenizer knows about characters: their classes, and how GPT-2 (Radford et al.
// 2019, encoder.py) writes each byte as one printable character, so that vocabulary files contain
// no raw bytes. pre_tokenizer.h says how text is cut by these classes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace apollo {

enum class CharClass : uint8_t { kOther, kLetter, kNumber, kSpace };

// Returns the class of a scalar value in the Unicode version of `tokenizers`, whatever the system
// has.
CharClass char_class(char32_t code_point);

// Returns the classes of all code points, for loops over text.
const CharClass* char_classes();

// Returns bytes as the characters of vocabulary files: " a" -> "Ġa".
std::string bytes_to_chars(std::string_view bytes);

// Returns the inverse; nullopt if a character stands for no byte.
std::optional<std::string> chars_to_bytes(std::string_view chars);

}  // namespace apollo
