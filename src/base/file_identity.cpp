#include "base/file_identity.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <iterator>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json_lines.h"
#include "base/stop_signal.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBlockBytes = size_t{1} << 20;
constexpr int64_t kStridedBlocks = 64;
constexpr int64_t kStrideBytes = int64_t{64} << 10;

std::string whole_hash(const RandomAccessFile& file) {
  StreamHash hash;
  std::vector<char> block(kBlockBytes);
  for (int64_t offset = 0; offset < file.size(); offset += std::ssize(block)) {
    throw_if_stopped();
    block.resize(
        static_cast<size_t>(std::min(static_cast<int64_t>(kBlockBytes), file.size() - offset)));
    file.read(offset, block);
    hash.update({block.data(), block.size()});
  }
  return hash.hex();
}

std::string strided_hash(const RandomAccessFile& file) {
  StreamHash hash;
  const int64_t step = std::max<int64_t>(1, file.size() / kStridedBlocks);
  std::vector<char> block;
  for (int64_t offset = 0; offset < file.size(); offset += step) {
    block.resize(static_cast<size_t>(std::min({step, kStrideBytes, file.size() - offset})));
    file.read(offset, block);
    hash.update({block.data(), block.size()});
  }
  return hash.hex();
}

int64_t nanoseconds(const struct timespec& time) {
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

Json identity(const fs::path& path, const struct stat& status) {
  return {{"path", path.string()},
          {"device", static_cast<uint64_t>(status.st_dev)},
          {"inode", static_cast<uint64_t>(status.st_ino)},
          {"size", static_cast<int64_t>(status.st_size)},
          {"changed_ns", nanoseconds(status.st_ctim)}};
}

// A change within the clock's resolution after the last one leaves the same time.
bool is_settled(const struct stat& status) {
  constexpr int64_t kGrainNs = 100'000'000;
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return nanoseconds(now) - nanoseconds(status.st_ctim) > kGrainNs;
}

}  // namespace

std::string remembered_hash(const fs::path& path, const fs::path& memory) {
  const fs::path absolute = fs::absolute(path).lexically_normal();
  const RandomAccessFile file(path);
  struct stat status {};
  ::fstat(file.descriptor(), &status);
  const Json id = identity(absolute, status);
  const fs::path note = memory / (hash_text(absolute.string()) + ".json");
  const std::string strided = strided_hash(file);
  try {
    const Json known = read_json(note);
    if (known.at("identity") == id && known.at("strided") == strided) {
      return known.at("hash").get<std::string>();
    }
  } catch (const std::exception&) {
    // The hash is not remembered, or the file with it is damaged.
  }
  const std::string hash = whole_hash(file);
  std::error_code error;
  fs::create_directories(memory, error);
  if (error || !is_settled(status)) return hash;
  try {
    write_file_atomic(note, Json{{"identity", id}, {"strided", strided}, {"hash", hash}}.dump(2));
  } catch (const Error&) {
    // The next run will read the file again.
  }
  return hash;
}

void require_own_folder(const fs::path& dir) {
  struct stat status {};
  if (::stat(dir.c_str(), &status) != 0) return;
  const bool is_ours = status.st_uid == ::geteuid() || status.st_uid == 0;
  const bool others_write = (status.st_mode & S_IWOTH) != 0;
  const bool group_writes =
      (status.st_mode & S_IWGRP) != 0 && status.st_gid != ::getegid() && status.st_gid != 0;
  if (is_ours && !others_write && !group_writes) return;
  fail<Error>(
      "{}: other users may write to this folder, so what it holds cannot be trusted (hint: "
      "chmod go-w, or another folder)",
      dir.string());
}

}  // namespace apollo
