// Files that are either complete or absent: atomic writes, folders that appear by rename, read-only
// maps, locks. Every function throws Error with the path and the system's reason.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace apollo {

std::string read_file(const std::filesystem::path& path);

// Writes a temporary file beside `path`, syncs it and renames it; until then an old file stays
// whole. If `path` is a symbolic link, the file that it points to is replaced and the link stays.
// "-" is stdout.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);

// Calls `fill` with a fresh folder beside `path`, syncs its files and renames it to `path`. If
// `fill` throws, the fresh folder is removed and `path` is untouched. An existing folder at `path`
// is replaced, and at every moment one of the two is there. If `path` is a symbolic link, the
// folder that it points to is replaced and the link stays.
void write_folder_atomic(const std::filesystem::path& path,
                         const std::function<void(const std::filesystem::path&)>& fill);

// Makes `link` a symbolic link to `target` (a name in the same folder), atomically.
void replace_link(const std::filesystem::path& link, const std::filesystem::path& target);

void sync_file(const std::filesystem::path& path);

// A read-only memory map of a whole file. An empty file maps to an empty span.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// A file that can be read at any position. It stays the same file even if another is renamed over
// its path. If the file was cut short, it reports an error where a map would raise SIGBUS.
class RandomAccessFile {
 public:
  explicit RandomAccessFile(const std::filesystem::path& path);
  ~RandomAccessFile();
  RandomAccessFile(RandomAccessFile&& other) noexcept;
  RandomAccessFile& operator=(RandomAccessFile&& other) noexcept;
  RandomAccessFile(const RandomAccessFile&) = delete;
  RandomAccessFile& operator=(const RandomAccessFile&) = delete;

  int64_t size() const { return size_; }  // when it was opened
  int descriptor() const { return descriptor_; }
  // Fills `out` from byte `offset` on, which must lie within size(). Thread-safe. Throws Error if
  // the file has become shorter.
  void read(int64_t offset, std::span<char> out) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  int64_t size_ = 0;
};

// An exclusive advisory lock that is held as long as the object lives; the system releases it when
// the process dies. Throws Error that names the holder's process id if another process holds the
// lock, and if the path is a symbolic link, because its target is somebody's file.
class FileLock {
 public:
  explicit FileLock(const std::filesystem::path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_ = -1;
};

// Returns the folder for this user's caches: $XDG_CACHE_HOME/apollo, else ~/.cache/apollo.
std::filesystem::path user_cache_dir();

}  // namespace apollo
