// Turns pieces of bytes, as tokens are, into text that breaks no character.
#pragma once

#include <string>
#include <string_view>

namespace apollo {

// Bytes that can still become a character are held back; ill-formed ones become U+FFFD.
class Utf8Stream {
 public:
  // The text that is whole with `bytes`.
  std::string push(std::string_view bytes);
  // What was held back, as it is.
  std::string finish();

 private:
  std::string held_;
};

}  // namespace apollo
