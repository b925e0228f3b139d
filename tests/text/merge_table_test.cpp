#include "text/merge_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace apollo {
namespace {

using Ids = std::vector<TokenId>;

Ids apply(const MergeTable& table, Ids symbols) {
  MergeTable::Scratch scratch;
  table.apply(symbols, scratch);
  return symbols;
}

// The definition, one merge at a time over the whole word.
Ids apply_plainly(const std::vector<Merge>& merges, Ids symbols) {
  while (true) {
    size_t best_rank = merges.size();
    size_t best_at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      for (size_t rank = 0; rank < best_rank; ++rank) {
        if (merges[rank].left == symbols[i] && merges[rank].right == symbols[i + 1]) {
          best_rank = rank;
          best_at = i;
        }
      }
    }
    if (best_rank == merges.size()) return symbols;
    symbols[best_at] = merges[best_rank].merged;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

TEST(MergeTable, LowestRankFirstThenLeftmost) {
  const MergeTable table({{1, 2, 10}, {0, 1, 11}, {10, 10, 12}, {0, 0, 13}});
  EXPECT_EQ(apply(table, {0, 1, 2}), (Ids{0, 10}));
  EXPECT_EQ(apply(table, {0, 1, 3}), (Ids{11, 3}));
  EXPECT_EQ(apply(table, {1, 2, 1, 2, 1, 2}), (Ids{12, 10}));
  EXPECT_EQ(apply(table, {0, 0, 0}), (Ids{13, 0}));
  EXPECT_EQ(apply(table, {5}), (Ids{5}));
  EXPECT_EQ(apply(table, {}), Ids{});
}

TEST(MergeTable, OfEqualPairsTheLastCounts) {
  const MergeTable table({{0, 1, 10}, {1, 2, 11}, {0, 1, 10}});
  EXPECT_EQ(apply(table, {0, 1, 2}), (Ids{0, 11}));
}

TEST(MergeTable, ShortAndLongWordsFollowTheDefinition) {
  std::mt19937_64 random(7);
  const auto below = [&](uint64_t limit) { return static_cast<TokenId>(random() % limit); };
  for (int round = 0; round < 200; ++round) {
    std::vector<Merge> merges;
    for (TokenId merged = 4; merged < 24; ++merged) {
      const Merge merge{below(static_cast<uint64_t>(merged)), below(static_cast<uint64_t>(merged)),
                        merged};
      const bool is_known = std::any_of(merges.begin(), merges.end(), [&](const Merge& other) {
        return other.left == merge.left && other.right == merge.right;
      });
      if (!is_known) merges.push_back(merge);
    }
    const MergeTable table(merges);
    for (const size_t length : {2u, 7u, 47u, 48u, 49u, 300u}) {
      Ids symbols(length);
      for (TokenId& symbol : symbols)
        symbol = below(4);
      ASSERT_EQ(apply(table, symbols), apply_plainly(merges, symbols)) << length;
    }
  }
}

}  // namespace
}  // namespace apollo
