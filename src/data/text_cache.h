// What Apollo keeps of texts between runs: prepared datasets, and the tokenizers that were trained
// for them. An entry is a folder whose name is a hash of all that it depends on, so that a changed
// source has another entry. The cache is trusted only if nobody else may write to it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/json_lines.h"

namespace apollo {

// Returns the folder that remembers the hashes of files in `cache`.
std::filesystem::path hash_memory(const std::filesystem::path& cache);

// Returns absolute path, size, time and hash of each file. The hash is needed because rsync and
// backups restore the time of files that they change.
Json fingerprint(const std::vector<std::filesystem::path>& files,
                 const std::filesystem::path& cache);

// Returns the name of the entry that depends on `content`.
std::string cache_key(const Json& content);

// Runs `make` for the entry `path`, unless `is_ready` says that it exists. If several processes ask
// at once, one makes it and the others wait. Throws DataError if the cache cannot be written or
// belongs to somebody else.
void make_once(const std::filesystem::path& path, const std::function<bool()>& is_ready,
               const std::function<void()>& make);

struct CacheEntry {
  std::filesystem::path path;
  bool is_dataset = false;  // else a tokenizer
  int64_t bytes = 0;
  std::filesystem::file_time_type written;
  std::vector<std::string> texts;  // the sources of a dataset; empty if it cannot be read
};

// Returns all entries of `cache`, the oldest first; nothing if there is no such folder.
std::vector<CacheEntry> cache_entries(const std::filesystem::path& cache);

// Removes the entry. Returns false, with nothing removed, if a process is making it. A run that has
// it open keeps what it reads until it ends. Throws DataError if the cache cannot be written.
bool remove_entry(const CacheEntry& entry);

}  // namespace apollo
