// Unicode's canonical normal forms as `tokenizers` makes them, whose tables are of Unicode 9: a
// character that is newer has no decomposition and combines with none. Unicode Standard Annex 15.
#pragma once

#include <string>
#include <string_view>

namespace apollo {

// NFD: every character taken apart, combining ones in canonical order. `text` is valid UTF-8.
std::string to_nfd(std::string_view text);

// NFC: the same, put together again where there is a character for it.
std::string to_nfc(std::string_view text);

// The same: `text` itself where that is plain to see, else its normal form, which `storage` holds.
std::string_view as_nfc(std::string_view text, std::string& storage);

}  // namespace apollo
