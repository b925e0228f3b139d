// Unicode normal form C (UAX 15) as `tokenizers` has it: characters that Unicode 9 does not know
// stay as they are.
#pragma once

#include <string>
#include <string_view>

namespace apollo {

// `text`, which is valid UTF-8, in normal form: itself where it is so already, else its normal
// form, which `storage` holds.
std::string_view as_nfc(std::string_view text, std::string& storage);

}  // namespace apollo
