#include "text/merge_table.h"

#include <algorithm>
#include <functional>

namespace apollo {
namespace {

// A found merge is rank << 32 | merged id, so that the lowest value is the lowest rank.
constexpr uint64_t kNoMerge = ~uint64_t{0};

// Up to here a scan for the lowest rank after every merge beats a queue.
constexpr size_t kLongestScanned = 48;

TokenId merged_id(uint64_t merge) {
  return static_cast<TokenId>(merge & 0xFFFFFFFFu);
}
uint64_t rank_of(uint64_t merge) {
  return merge >> 32;
}

}  // namespace

MergeTable::MergeTable(const std::vector<Merge>& merges) : merges_(merges.size()) {
  uint64_t rank = 0;
  for (const Merge& merge : merges) {
    const uint64_t value = rank++ << 32 | static_cast<uint32_t>(merge.merged);
    merges_.find_or_insert(make_pair_key(merge.left, merge.right), value) = value;
  }
}

uint64_t MergeTable::find(TokenId left, TokenId right) const {
  const uint64_t* value = merges_.find(make_pair_key(left, right));
  return value == nullptr ? kNoMerge : *value;
}

void MergeTable::apply(std::vector<TokenId>& symbols, Scratch& scratch) const {
  if (symbols.size() < 2) return;
  if (symbols.size() <= kLongestScanned) {
    apply_short(symbols, scratch);
  } else {
    apply_long(symbols, scratch);
  }
}

void MergeTable::apply_short(std::vector<TokenId>& symbols, Scratch& scratch) const {
  std::vector<uint64_t>& ranks = scratch.ranks;  // [i]: merge of symbols i and i + 1
  ranks.resize(symbols.size() - 1);
  for (size_t i = 0; i < ranks.size(); ++i)
    ranks[i] = find(symbols[i], symbols[i + 1]);
  while (!ranks.empty()) {
    const auto lowest = std::min_element(ranks.begin(), ranks.end());
    if (*lowest == kNoMerge) return;
    const auto i = static_cast<size_t>(lowest - ranks.begin());
    symbols[i] = merged_id(*lowest);
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    ranks.erase(lowest);
    if (i > 0) ranks[i - 1] = find(symbols[i - 1], symbols[i]);
    if (i < ranks.size()) ranks[i] = find(symbols[i], symbols[i + 1]);
  }
}

// The queue holds rank << 32 | position, so that the leftmost of equal ranks comes first; an entry
// is stale where the merge at its position is no longer of its rank. O(n log n) in the length.
void MergeTable::apply_long(std::vector<TokenId>& symbols, Scratch& scratch) const {
  const auto length = static_cast<int32_t>(symbols.size());
  auto& [ranks, previous, next, queue] = scratch;
  ranks.assign(symbols.size(), kNoMerge);
  previous.resize(symbols.size());
  next.resize(symbols.size());
  queue.clear();
  const auto at = [](int32_t i) { return static_cast<size_t>(i); };
  const auto look_up = [&](int32_t i) {
    ranks[at(i)] = next[at(i)] < length ? find(symbols[at(i)], symbols[at(next[at(i)])]) : kNoMerge;
    if (ranks[at(i)] == kNoMerge) return;
    queue.push_back(rank_of(ranks[at(i)]) << 32 | static_cast<uint32_t>(i));
    std::push_heap(queue.begin(), queue.end(), std::greater<>());
  };
  for (int32_t i = 0; i < length; ++i) {
    previous[at(i)] = i - 1;
    next[at(i)] = i + 1;
  }
  for (int32_t i = 0; i < length; ++i)
    look_up(i);
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), std::greater<>());
    const uint64_t entry = queue.back();
    queue.pop_back();
    const auto i = static_cast<int32_t>(entry & 0xFFFFFFFFu);
    if (ranks[at(i)] == kNoMerge || rank_of(ranks[at(i)]) != rank_of(entry)) continue;
    const int32_t gone = next[at(i)];
    symbols[at(i)] = merged_id(ranks[at(i)]);
    next[at(i)] = next[at(gone)];
    if (next[at(i)] < length) previous[at(next[at(i)])] = i;
    ranks[at(gone)] = kNoMerge;
    look_up(i);
    if (previous[at(i)] >= 0) look_up(previous[at(i)]);
  }
  size_t kept = 0;
  for (int32_t i = 0; i < length; i = next[at(i)])
    symbols[kept++] = symbols[at(i)];
  symbols.resize(kept);
}

}  // namespace apollo
