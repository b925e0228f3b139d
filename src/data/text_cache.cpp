#include "data/text_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <regex>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/file_identity.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "data/byte_source.h"
#include "data/token_dataset.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// Returns the key in the name of an entry, or of what a killed process left of one
// (".KEY.1-2.new"). A text that is split into training and validation has two folders, KEY-train
// and KEY-valid. Empty: the folder is none of ours.
std::string key_of(const fs::path& folder) {
  static const std::regex kName(R"(([0-9a-f]{32})(-train|-valid)?|\.([0-9a-f]{32})[-.].*\.new)");
  const std::string name = folder.filename().string();
  std::smatch parts;
  if (!std::regex_match(name, parts, kName)) return "";
  return parts[1].matched ? parts[1] : parts[3];
}

fs::path lock_of(const fs::path& entry) {
  return entry.parent_path() / (key_of(entry) + ".lock");
}

int64_t folder_bytes(const fs::path& folder) {
  int64_t bytes = 0;
  std::error_code error;
  for (const auto& file : fs::recursive_directory_iterator(folder, error)) {
    if (file.is_regular_file(error)) bytes += static_cast<int64_t>(file.file_size(error));
  }
  return bytes;
}

std::vector<std::string> texts_of(const fs::path& dataset) {
  std::vector<std::string> texts;
  try {
    const TokenDataset opened = TokenDataset::open(dataset);
    for (const DatasetSource& source : opened.info().sources)
      texts.push_back(source.name);
  } catch (const Error&) {  // damaged: it has a size and can be removed
  }
  return texts;
}

void require_writable(const fs::path& folder) {
  if (::access(folder.c_str(), W_OK) == 0) return;
  fail<DataError>("{}: cannot write to the cache folder (hint: name another in data.cache)",
                  folder.string());
}

}  // namespace

fs::path hash_memory(const fs::path& cache) {
  return cache / "hashes";
}

Json fingerprint(const std::vector<fs::path>& files, const fs::path& cache) {
  Json list = Json::array();
  for (const fs::path& file : files) {
    const bool is_empty = fs::is_regular_file(file) && fs::is_empty(file);
    const int64_t size = is_empty ? 0 : checked_file_size(file);
    struct stat status {};
    ::stat(file.c_str(), &status);
    list.push_back({fs::absolute(file).lexically_normal().string(), size,
                    static_cast<int64_t>(status.st_mtim.tv_sec),
                    static_cast<int64_t>(status.st_mtim.tv_nsec),
                    size > 0 ? remembered_hash(file, hash_memory(cache)) : ""});
  }
  return list;
}

std::string cache_key(const Json& content) {
  return hash_text(content.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void make_once(const fs::path& path, const std::function<bool()>& is_ready,
               const std::function<void()>& make) {
  for (const fs::path& dir : {path.parent_path().parent_path(), path.parent_path(), path})
    require_own_folder(dir);
  if (is_ready()) return;
  const fs::path lock_path = lock_of(path);
  std::error_code error;
  fs::create_directories(path.parent_path(), error);  // a failure shows in the next line
  require_writable(path.parent_path());
  bool told = false;
  for (;;) {
    throw_if_stopped();
    std::optional<FileLock> lock;
    try {
      lock.emplace(lock_path);
    } catch (const Error&) {
      if (fs::is_symlink(lock_path)) throw;
      if (!std::exchange(told, true)) {
        log_info("waiting for another process that prepares the same text");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      continue;
    }
    if (!is_ready()) make();
    return;
  }
}

std::vector<CacheEntry> cache_entries(const fs::path& cache) {
  std::vector<CacheEntry> entries;
  for (const bool is_dataset : {true, false}) {
    std::error_code error;
    for (const auto& found :
         fs::directory_iterator(cache / (is_dataset ? "datasets" : "tokenizers"), error)) {
      if (!found.is_directory(error) || found.is_symlink(error)) continue;
      if (key_of(found.path()).empty()) continue;
      CacheEntry entry{found.path(),
                       is_dataset,
                       folder_bytes(found.path()),
                       fs::last_write_time(found.path(), error),
                       {}};
      if (is_dataset) entry.texts = texts_of(found.path());
      entries.push_back(std::move(entry));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const CacheEntry& one, const CacheEntry& other) {
    return std::tie(one.written, one.path) < std::tie(other.written, other.path);
  });
  return entries;
}

bool remove_entry(const CacheEntry& entry) {
  require_writable(entry.path.parent_path());  // or else the lock below fails without being held
  std::optional<FileLock> lock;
  try {
    lock.emplace(lock_of(entry.path));
  } catch (const Error&) {
    return false;
  }
  fs::remove_all(entry.path);
  return true;
}

}  // namespace apollo
