// The unpacked bytes of one file in a stream: .gz, .xz, .zst by the file's suffix or, where that
// says nothing, by its first bytes; or as they are.
// Files of several members or frames one after the other (as `cat a.gz b.gz` makes them) are read
// to their end, as the command-line tools do.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"

namespace apollo {

// The bytes of a file as they lie on disk, in chunks, with their hash and their count.
class RawFile {
 public:
  // Throws DataError where the file is missing, unreadable, a folder or of length 0.
  explicit RawFile(const std::filesystem::path& path);

  // The next chunk, valid until the next call; empty at the end.
  std::span<const char> next_chunk();
  const std::string& name() const { return name_; }
  int64_t bytes_read() const { return bytes_read_; }
  int64_t size() const { return size_; }
  std::string hash() const { return hash_.hex(); }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string name_;
  int64_t size_;
  std::vector<char> chunk_;
  std::unique_ptr<std::FILE, Close> file_;
  int64_t bytes_read_ = 0;
  StreamHash hash_;
};

class ByteSource {
 public:
  static std::unique_ptr<ByteSource> open(const std::filesystem::path& path);
  virtual ~ByteSource() = default;

  // Fills `out` from its front and returns how many bytes it wrote: 0 only at the end. Throws
  // DataError where the compressed data are damaged or end too early.
  virtual size_t read(std::span<char> out) = 0;
  const RawFile& file() const { return file_; }

 protected:
  explicit ByteSource(const std::filesystem::path& path) : file_(path) {}
  RawFile file_;
};

// Size in bytes, or 0 of a pipe. Throws DataError where the file is missing, a folder or empty.
int64_t checked_file_size(const std::filesystem::path& path);

// Whether `suffix` (with its dot, in any case) is that of a compression that ByteSource unpacks.
bool is_compression_suffix(const std::filesystem::path& suffix);

// ".gz", ".xz" or ".zst", as ByteSource unpacks the file; "" where it does not.
std::string compression_of(const std::filesystem::path& path);

}  // namespace apollo
