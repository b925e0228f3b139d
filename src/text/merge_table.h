// The merges of a BPE vocabulary (Sennrich et al. 2016), applied to one word: as long as some
// neighbours form a merge, the one of lowest rank is applied, the leftmost first.
#pragma once

#include <cstdint>
#include <vector>

#include "text/pair_map.h"
#include "text/tokenizer.h"

namespace apollo {

struct Merge {
  TokenId left;
  TokenId right;
  TokenId merged;

  bool operator==(const Merge&) const = default;
};

class MergeTable {
 public:
  // The rank is the index in `merges`. Of equal pairs the last counts, as in `tokenizers`.
  explicit MergeTable(const std::vector<Merge>& merges);

  bool empty() const { return merges_.size() == 0; }

  // Memory that apply() reuses for each word.
  struct Scratch {
    std::vector<uint64_t> ranks;
    std::vector<int32_t> previous;
    std::vector<int32_t> next;
    std::vector<uint64_t> queue;
  };

  // Merges the symbols of a word in place.
  void apply(std::vector<TokenId>& symbols, Scratch& scratch) const;

 private:
  uint64_t find(TokenId left, TokenId right) const;
  void apply_short(std::vector<TokenId>& symbols, Scratch& scratch) const;
  void apply_long(std::vector<TokenId>& symbols, Scratch& scratch) const;

  PairMap merges_;  // pair -> rank << 32 | merged id
};

}  // namespace apollo
