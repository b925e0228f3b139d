#include "base/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <span>
#include <vector>

#include "base/file.h"

namespace apollo {
namespace {

std::string to_hex(XXH128_hash_t hash) {
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace

std::string hash_text(std::string_view text) {
  return to_hex(XXH3_128bits(text.data(), text.size()));
}

// Reads in pieces: a map of the whole would count as memory of this process, and a file that is cut
// short meanwhile would end it by SIGBUS.
std::string hash_file(const std::filesystem::path& path) {
  constexpr int64_t kPiece = 1 << 20;
  const RandomAccessFile file(path);
  StreamHash hash;
  std::vector<char> piece(static_cast<size_t>(std::min(kPiece, file.size())));
  for (int64_t begin = 0; begin < file.size(); begin += kPiece) {
    const auto size = static_cast<size_t>(std::min(kPiece, file.size() - begin));
    file.read(begin, std::span(piece).first(size));
    hash.update({piece.data(), size});
  }
  return hash.hex();
}

double hash_number(const std::string& hash) {
  return hash.empty() ? 0.0 : static_cast<double>(std::stoull(hash.substr(0, 12), nullptr, 16));
}

struct StreamHash::State {
  XXH3_state_t* xxh = XXH3_createState();
  ~State() { XXH3_freeState(xxh); }
};

StreamHash::StreamHash() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(state_->xxh);
}
StreamHash::~StreamHash() = default;
StreamHash::StreamHash(StreamHash&&) noexcept = default;
StreamHash& StreamHash::operator=(StreamHash&&) noexcept = default;

void StreamHash::update(std::string_view bytes) {
  XXH3_128bits_update(state_->xxh, bytes.data(), bytes.size());
}

std::string StreamHash::hex() const {
  return to_hex(XXH3_128bits_digest(state_->xxh));
}

}  // namespace apollo
