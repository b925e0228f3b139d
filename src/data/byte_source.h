// Streams the unpacked bytes of one file. Files are unpacked as .gz, .xz or .zst if their suffix
// says so, or their first bytes if the suffix says nothing; other files are read as they are. Files
// of several members or frames (as `cat a.gz b.gz` makes them) are read to their end, like the
// command-line tools do.
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

// Reads the bytes of a file as they are on disk, in chunks, and computes their hash and count.
class RawFile {
 public:
  // Throws DataError if the file is missing, unreadable, a folder or of length 0.
  explicit RawFile(const std::filesystem::path& path);

  // Returns the next chunk, valid until the next call; empty at the end.
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
  // DataError if the compressed data are damaged or end too early.
  virtual size_t read(std::span<char> out) = 0;
  const RawFile& file() const { return file_; }

 protected:
  explicit ByteSource(const std::filesystem::path& path) : file_(path) {}
  RawFile file_;
};

// Returns the size in bytes, or 0 for a pipe. Throws DataError if the file is missing, a folder or
// empty.
int64_t checked_file_size(const std::filesystem::path& path);

// Whether `suffix` (with its dot, in any case) belongs to a compression that ByteSource unpacks.
bool is_compression_suffix(const std::filesystem::path& suffix);

// Returns ".gz", ".xz" or ".zst", depending on how ByteSource unpacks the file, or "" if it does
// not.
std::string compression_of(const std::filesystem::path& path);

}  // namespace apollo
