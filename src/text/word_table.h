// Words and their counts: one arena for the bytes, 24 bytes per word, open addressing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace apollo {

class WordTable {
 public:
  // Adds `count` to a word. Throws DataError for more than 2^32 - 2 distinct words.
  void add(std::string_view word, int64_t count) { add(word, hash_of(word), count); }
  void add(std::string_view word, uint32_t hash, int64_t count);

  size_t size() const { return entries_.size(); }
  std::string_view word(size_t i) const {
    return std::string_view(bytes_).substr(entries_[i].offset, entries_[i].length);
  }
  int64_t count(size_t i) const { return entries_[i].count; }
  uint32_t hash(size_t i) const { return entries_[i].hash; }

  // Removes the words but keeps the memory.
  void clear();
  // Releases the memory.
  void release() { *this = WordTable(); }

 private:
  struct Entry {
    uint64_t offset;
    uint32_t length;
    uint32_t hash;
    int64_t count;
  };

  static uint32_t hash_of(std::string_view word);
  void grow();

  std::string bytes_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_ = std::vector<uint32_t>(1024, kFree);  // index of the entry
  static constexpr uint32_t kFree = ~uint32_t{0};
};

}  // namespace apollo
