// Content hashes (XXH3, 128 bits, as 32 hex digits). They identify tokenizers, sources and configs,
// and detect damage. They are not for security.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace apollo {

std::string hash_text(std::string_view text);
std::string hash_file(const std::filesystem::path& path);
// Returns 48 bits of a hash in hex digits, which fit into a double; 0 for an empty text.
double hash_number(const std::string& hash);

// Hashes content that comes in pieces.
class StreamHash {
 public:
  StreamHash();
  ~StreamHash();
  StreamHash(StreamHash&&) noexcept;
  StreamHash& operator=(StreamHash&&) noexcept;
  void update(std::string_view bytes);
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace apollo
