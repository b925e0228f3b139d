// Unicode's canonical normal forms (Unicode Standard Annex 15) as `tokenizers` makes them. Its
// tables are of Unicode 9, so newer characters have no decomposition and combine with nothing.
#pragma once

#include <string>
#include <string_view>

namespace apollo {

// Returns NFD: all characters decomposed, combining ones in canonical order. `text` is valid UTF-8.
std::string to_nfd(std::string_view text);

// Returns NFC: the same, composed again if there is a character for it.
std::string to_nfc(std::string_view text);

// The same: returns `text` itself if it is obviously NFC, else its normal form, stored in
// `storage`.
std::string_view as_nfc(std::string_view text, std::string& storage);

}  // namespace apollo
