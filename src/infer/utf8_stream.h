// Turns pieces of bytes, such as tokens, into text without broken characters.
#pragma once

#include <string>
#include <string_view>

namespace apollo {

// Bytes that can still become a character are held back; ill-formed ones become U+FFFD.
class Utf8Stream {
 public:
  // Returns the text that is complete with `bytes`.
  std::string push(std::string_view bytes);
  // Returns the bytes that were held back, as they are.
  std::string finish();

 private:
  std::string held_;
};

}  // namespace apollo
