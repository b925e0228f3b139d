// Remembers the ids of words. Words are few and repeat (Zipf), so nearly all of encoding is one
// look-up here. A word is three machine words, and an entry is one cache line.
//
// The table has a fixed size; a new word replaces an old one. Long words and words with many ids
// are left out. One cache serves one thread at a time; CachePool hands caches out.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "text/merge_table.h"
#include "text/tokenizer.h"

namespace apollo {

class WordCache {
 public:
  static constexpr size_t kMaxBytes = 23;
  static constexpr size_t kMaxIds = 9;

  struct Key {
    uint64_t words[3] = {0, 0, 0};  // bytes 0 to 22, then the length
    bool operator==(const Key&) const = default;
  };

  struct alignas(64) Entry {
    Key key;  // all zero: free, because no word is empty
    uint32_t num_ids = 0;
    TokenId ids[kMaxIds];
  };

  WordCache() : entries_(std::make_unique<Entry[]>(kNumEntries)) {}

  // Returns the key of `word`, which has 1 to kMaxBytes bytes. `readable`: how many bytes may be
  // read from its start on.
  static Key make_key(std::string_view word, size_t readable) {
    static_assert(std::endian::native == std::endian::little);
    Key key;
    if (readable >= sizeof(Key)) {
      std::memcpy(&key, word.data(), sizeof(Key));
      mask(key, word.size());
    } else {
      std::memcpy(&key, word.data(), word.size());
    }
    key.words[2] |= static_cast<uint64_t>(word.size()) << 56;
    return key;
  }

  // Appends the ids of `word` (not empty) to `ids`, either from the cache or as `split(word)`
  // leaves them in `symbols`. `readable` as for make_key().
  template <class Split>
  void append_ids(std::string_view word, size_t readable, std::vector<TokenId>& ids, Split split) {
    if (word.size() > kMaxBytes) {
      split(word);
      ids.insert(ids.end(), symbols.begin(), symbols.end());
      return;
    }
    const Key key = make_key(word, readable);
    Entry& entry = entries_[hash(key)];
    if (entry.key == key) {
      ids.insert(ids.end(), entry.ids, entry.ids + entry.num_ids);
      return;
    }
    split(word);
    ids.insert(ids.end(), symbols.begin(), symbols.end());
    if (symbols.size() > kMaxIds) return;
    entry.key = key;
    entry.num_ids = static_cast<uint32_t>(symbols.size());
    std::copy(symbols.begin(), symbols.end(), entry.ids);
  }

  // For words that are not in the cache.
  std::vector<TokenId> symbols;
  MergeTable::Scratch scratch;

 private:
  static constexpr int kLogEntries = 16;  // 4 MiB; more misses the processor's cache too often
  static constexpr size_t kNumEntries = size_t{1} << kLogEntries;

  static void mask(Key& key, size_t length) {
    const auto low_bytes = [](size_t count) {
      return count >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * count)) - 1;
    };
    key.words[0] &= low_bytes(length);
    key.words[1] &= length > 8 ? low_bytes(length - 8) : 0;
    key.words[2] &= length > 16 ? low_bytes(length - 16) : 0;
  }

  static size_t hash(const Key& key) {
    uint64_t h = key.words[0] * 0x9E3779B97F4A7C15u;
    h = (h ^ (h >> 32) ^ key.words[1]) * 0xC2B2AE3D27D4EB4Fu;
    h = (h ^ (h >> 32) ^ key.words[2]) * 0x9E3779B97F4A7C15u;
    return h >> (64 - kLogEntries);
  }

  std::unique_ptr<Entry[]> entries_;
};

// Keeps as many caches as threads that ever encoded at the same time.
class CachePool {
 public:
  // Holds a cache of the pool during its lifetime.
  class Lease {
   public:
    explicit Lease(CachePool& pool) : pool_(pool), cache_(pool.take()) {}
    ~Lease() { pool_.give_back(std::move(cache_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    WordCache& operator*() { return *cache_; }

   private:
    CachePool& pool_;
    std::unique_ptr<WordCache> cache_;
  };

 private:
  std::unique_ptr<WordCache> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<WordCache>();
    std::unique_ptr<WordCache> cache = std::move(free_.back());
    free_.pop_back();
    return cache;
  }

  void give_back(std::unique_ptr<WordCache> cache) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(cache));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<WordCache>> free_;
};

}  // namespace apollo
