#include "text/word_table.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/error.h"

namespace apollo {

uint32_t WordTable::hash_of(std::string_view word) {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
  uint64_t hash = word.size() * kMultiplier;
  const auto mix = [&](uint64_t bytes) {
    hash = (hash ^ bytes) * kMultiplier;
    hash ^= hash >> 29;
  };
  while (word.size() >= 8) {
    uint64_t bytes;
    std::memcpy(&bytes, word.data(), 8);
    mix(bytes);
    word.remove_prefix(8);
  }
  uint64_t last = 0;
  std::memcpy(&last, word.data(), word.size());
  mix(last);
  return static_cast<uint32_t>(hash >> 32);
}

void WordTable::add(std::string_view word, uint32_t hash, int64_t count) {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  for (; slots_[slot] != kFree; slot = (slot + 1) & mask) {
    Entry& entry = entries_[slots_[slot]];
    if (entry.hash == hash && entry.length == word.size() &&
        std::memcmp(bytes_.data() + entry.offset, word.data(), word.size()) == 0) {
      entry.count += count;
      return;
    }
  }
  if (entries_.size() >= kFree - 1 || word.size() > std::numeric_limits<uint32_t>::max()) {
    fail<DataError>("text: more than {} distinct words, or a word of more than 4 GiB", kFree - 1);
  }
  slots_[slot] = static_cast<uint32_t>(entries_.size());
  entries_.push_back({bytes_.size(), static_cast<uint32_t>(word.size()), hash, count});
  bytes_ += word;
  if (entries_.size() * 2 > slots_.size()) grow();
}

void WordTable::grow() {
  slots_.assign(slots_.size() * 2, kFree);
  const size_t mask = slots_.size() - 1;
  for (size_t i = 0; i < entries_.size(); ++i) {
    size_t slot = entries_[i].hash & mask;
    while (slots_[slot] != kFree)
      slot = (slot + 1) & mask;
    slots_[slot] = static_cast<uint32_t>(i);
  }
}

void WordTable::clear() {
  bytes_.clear();
  entries_.clear();
  std::fill(slots_.begin(), slots_.end(), kFree);
}

}  // namespace apollo
