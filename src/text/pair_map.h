// A hash map from a pair of ids to 64 bits, with open addressing, linear probes and no removal.
// Encoding and training spend most of their time here, looking up several pairs per word.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "text/tokenizer.h"

namespace apollo {

using IdPair = uint64_t;

inline IdPair make_pair_key(TokenId left, TokenId right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}
inline TokenId left_of(IdPair pair) {
  return static_cast<TokenId>(pair >> 32);
}
inline TokenId right_of(IdPair pair) {
  return static_cast<TokenId>(pair & 0xFFFFFFFFu);
}

class PairMap {
 public:
  explicit PairMap(size_t expected = 0) { resize_slots(std::bit_ceil(expected * 2 + 16)); }

  // Returns a pointer to the value of `pair`, or null. Valid until the next insertion.
  const uint64_t* find(IdPair pair) const {
    for (size_t i = slot_of(pair);; i = (i + 1) & mask_) {
      if (slots_[i].pair == pair) return &slots_[i].value;
      if (slots_[i].pair == kFree) return nullptr;
    }
  }

  // Returns the value of `pair`; a new pair gets `fresh`.
  uint64_t& find_or_insert(IdPair pair, uint64_t fresh) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    for (size_t i = slot_of(pair);; i = (i + 1) & mask_) {
      if (slots_[i].pair == pair) return slots_[i].value;
      if (slots_[i].pair == kFree) {
        slots_[i] = {pair, fresh};
        ++size_;
        return slots_[i].value;
      }
    }
  }

  size_t size() const { return size_; }

 private:
  struct Slot {
    IdPair pair = kFree;
    uint64_t value = 0;
  };
  // Ids are not negative, so no pair has all bits set.
  static constexpr IdPair kFree = ~IdPair{0};

  size_t slot_of(IdPair pair) const { return (pair * 0x9E3779B97F4A7C15u) >> shift_; }

  void resize_slots(size_t num_slots) {
    slots_.assign(num_slots, Slot{});
    mask_ = num_slots - 1;
    shift_ = 64 - std::countr_zero(num_slots);
    size_ = 0;
  }

  void grow() {
    std::vector<Slot> old = std::move(slots_);
    resize_slots(old.size() * 2);
    for (const Slot& slot : old) {
      if (slot.pair != kFree) find_or_insert(slot.pair, slot.value);
    }
  }

  std::vector<Slot> slots_;
  size_t mask_ = 0;
  int shift_ = 0;
  size_t size_ = 0;
};

}  // namespace apollo
