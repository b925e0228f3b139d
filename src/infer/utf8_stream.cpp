#include "infer/utf8_stream.h"

#include "text/utf8.h"

namespace apollo {

std::string Utf8Stream::push(std::string_view bytes) {
  held_ += bytes;
  std::string_view rest = held_;
  while (!rest.empty()) {
    const Utf8Sequence next = next_utf8(rest);
    const auto length = static_cast<size_t>(next.length);
    if (!next.valid && length == rest.size()) break;
    rest.remove_prefix(length);
  }
  std::string text;
  repair_utf8(std::string_view(held_).substr(0, held_.size() - rest.size()), text);
  held_ = std::string(rest);
  return text;
}

std::string Utf8Stream::finish() {
  std::string text;
  repair_utf8(held_, text);
  held_.clear();
  return text;
}

}  // namespace apollo
