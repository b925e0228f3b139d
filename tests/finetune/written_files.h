// Files with given content in a temporary folder, and messages with that folder's name replaced by
// DIR.
#pragma once

#include <fstream>
#include <string>

#include "support/temp_dir.h"
#include "support/thrown_text.h"

namespace apollo {

inline std::filesystem::path write_text(const TempDir& dir, const std::string& name,
                                        const std::string& content) {
  std::ofstream(dir / name, std::ios::binary) << content;
  return dir / name;
}

inline std::string with_dir_hidden(std::string message, const TempDir& dir) {
  const std::string path = dir.path().string() + "/";
  for (size_t at = message.find(path); at != std::string::npos; at = message.find(path))
    message.replace(at, path.size(), "DIR/");
  return message;
}

// The message of the exception of type E that `call` throws.
template <class E, class Call>
std::string error_text(const TempDir& dir, Call call) {
  return with_dir_hidden(thrown_text<E>(call), dir);
}

}  // namespace apollo
