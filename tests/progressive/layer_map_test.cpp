#include "progressive/layer_map.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "progressive/growth_effect.h"

namespace apollo {
namespace {

constexpr LayerMapKind kKinds[] = {LayerMapKind::kInterpolate, LayerMapKind::kStack};
constexpr int64_t kDeepest = 48;

TEST(LayerMap, InterpolateRepeatsNeighbours) {
  EXPECT_EQ(to_string(growth_map(LayerMapKind::kInterpolate, 3, 6)), "0 0 1 1 2 2");
  EXPECT_EQ(to_string(growth_map(LayerMapKind::kInterpolate, 3, 5)), "0 0 1 1 2");
  EXPECT_EQ(to_string(growth_map(LayerMapKind::kInterpolate, 1, 3)), "0 0 0");
  EXPECT_EQ(to_string(growth_map(LayerMapKind::kInterpolate, 4, 4)), "0 1 2 3");
}

TEST(LayerMap, StackTakesTheLastLayersForAPartialRepeat) {
  EXPECT_EQ(to_string(growth_map(LayerMapKind::kStack, 3, 5)), "0 1 2 1 2");
  EXPECT_EQ(to_string(growth_map(LayerMapKind::kStack, 6, 9)), "0 1 2 3 4 5 3 4 5");
  EXPECT_EQ(to_string(growth_map(LayerMapKind::kStack, 3, 6)), "0 1 2 0 1 2");
  EXPECT_EQ(to_string(growth_map(LayerMapKind::kStack, 3, 8)), "0 1 2 0 1 2 1 2");
}

TEST(LayerMap, StackSharingIsCyclic) {
  EXPECT_EQ(to_string(sharing_map(LayerMapKind::kStack, 3, 5)), "0 1 2 0 1");
  EXPECT_EQ(to_string(sharing_map(LayerMapKind::kStack, 6, 9)), "0 1 2 3 4 5 0 1 2");
}

TEST(LayerMap, IntegersWhereFloatingDivisionGoesWrong) {
  EXPECT_EQ(to_string(growth_map(LayerMapKind::kInterpolate, 14, 18)),
            "0 0 1 2 3 3 4 5 6 7 7 8 9 10 10 11 12 13");
  const auto floating = [](int64_t source, int64_t target) {
    LayerMap map;
    const double ratio = static_cast<double>(target) / static_cast<double>(source);
    for (int64_t i = 0; i < target; ++i)
      map.push_back(static_cast<int64_t>(i / ratio));
    return map;
  };
  EXPECT_NE(floating(14, 18), growth_map(LayerMapKind::kInterpolate, 14, 18));
  EXPECT_EQ(floating(3, 6), growth_map(LayerMapKind::kInterpolate, 3, 6));
}

bool nests(LayerMapKind kind, int64_t small, int64_t large, int64_t depth) {
  return compose(growth_map(kind, small, large), sharing_map(kind, large, depth)) ==
         sharing_map(kind, small, depth);
}

TEST(LayerMap, NestingTheorem) {
  int64_t checked = 0;
  for (const LayerMapKind kind : kKinds) {
    for (int64_t small = 1; small <= kDeepest; ++small) {
      for (int64_t large = small; large <= kDeepest; large += small) {
        for (int64_t depth = large; depth <= kDeepest; ++depth, ++checked) {
          ASSERT_TRUE(nests(kind, small, large, depth))
              << small << "->" << large << " at " << depth;
        }
      }
    }
  }
  EXPECT_EQ(checked, 2 * 4269);
}

TEST(LayerMap, NestingFailsWhereOneDoesNotDivideTheOther) {
  for (const LayerMapKind kind : kKinds) {
    for (const auto& [small, large] : {std::pair<int64_t, int64_t>{3, 5}, {6, 9}}) {
      bool fails = false;
      for (int64_t depth = large; depth <= 12; ++depth)
        fails |= !nests(kind, small, large, depth);
      EXPECT_TRUE(fails) << small << "->" << large;
    }
  }
}

TEST(LayerMap, NestingFailsWhereGrowthAndSharingUseDifferentMaps) {
  const LayerMap grown = compose(growth_map(LayerMapKind::kStack, 3, 6),
                                 sharing_map(LayerMapKind::kInterpolate, 6, 12));
  EXPECT_NE(grown, sharing_map(LayerMapKind::kInterpolate, 3, 12));
}

TEST(LayerMap, EveryLayerIsUsed) {
  for (const LayerMapKind kind : kKinds) {
    for (int64_t unique = 1; unique <= kDeepest; ++unique) {
      for (int64_t depth = unique; depth <= kDeepest; ++depth) {
        const std::vector<int64_t> counts = use_counts(sharing_map(kind, unique, depth), unique);
        int64_t sum = 0;
        for (const int64_t count : counts) {
          ASSERT_GE(count, depth / unique);
          ASSERT_LE(count, depth / unique + 1);
          sum += count;
        }
        ASSERT_EQ(sum, depth);
      }
    }
  }
  EXPECT_EQ(use_counts(growth_map(LayerMapKind::kStack, 3, 5), 3), (std::vector<int64_t>{1, 2, 2}));
}

TEST(LayerMap, StackCopiesTheTopLayersOntoTheTop) {
  // MSLT (Yang et al. 2020): new layer i is a copy of layer i - (N' - N).
  for (int64_t small = 1; small <= kDeepest; ++small) {
    for (int64_t large = small; large <= 2 * small; ++large) {
      LayerMap top;
      for (int64_t i = 0; i < large; ++i)
        top.push_back(i < small ? i : i - (large - small));
      ASSERT_EQ(growth_map(LayerMapKind::kStack, small, large), top);
    }
  }
}

TEST(LayerMap, GrowthKeepsTheFunctionWhereTheOldNumberDividesTheNew) {
  for (const LayerMapKind kind : kKinds) {
    for (int64_t source = 1; source <= 12; ++source) {
      for (int64_t target = source; target <= 12; ++target) {
        bool always = true;
        for (int64_t depth = target; depth <= kDeepest; ++depth)
          always &= growth_keeps_function(kind, source, target, depth);
        EXPECT_EQ(always, target % source == 0) << source << " to " << target;
      }
    }
  }
  EXPECT_FALSE(growth_keeps_function(LayerMapKind::kInterpolate, 6, 7, 12));
  EXPECT_TRUE(growth_keeps_function(LayerMapKind::kInterpolate, 6, 7, 7));  // what was shared there
  EXPECT_FALSE(growth_keeps_function(LayerMapKind::kStack, 3, 5, 5));
  EXPECT_FALSE(growth_keeps_function(LayerMapKind::kMiddle, 4, 6, 12));
  EXPECT_FALSE(growth_keeps_function(LayerMapKind::kInterpolate, 0, 3, 12));
}

TEST(LayerMap, MiddleBlockFollowsItself) {
  const auto map = [](int64_t source, int64_t target) {
    return to_string(growth_map(LayerMapKind::kMiddleBlock, source, target));
  };
  // Block number ceil(n/2) of n: the first of 1 or 2, the second of 3 or 4, the third of 5.
  EXPECT_EQ(map(2, 4), "0 1 0 1");
  EXPECT_EQ(map(4, 6), "0 1 0 1 2 3");
  EXPECT_EQ(map(6, 8), "0 1 2 3 2 3 4 5");
  EXPECT_EQ(map(8, 10), "0 1 2 3 2 3 4 5 6 7");
  EXPECT_EQ(map(10, 12), "0 1 2 3 4 5 4 5 6 7 8 9");
  EXPECT_EQ(map(3, 4), "0 1 1 2");
  EXPECT_EQ(map(6, 6), "0 1 2 3 4 5");
}

TEST(LayerMap, MiddleLayersFollowThemselves) {
  const auto map = [](int64_t source, int64_t target) {
    return to_string(growth_map(LayerMapKind::kMiddle, source, target));
  };
  EXPECT_EQ(map(2, 4), "0 1 0 1");
  EXPECT_EQ(map(4, 6), "0 1 2 1 2 3");
  EXPECT_EQ(map(6, 8), "0 1 2 3 2 3 4 5");
  EXPECT_EQ(map(8, 10), "0 1 2 3 4 3 4 5 6 7");
  EXPECT_EQ(map(5, 7), "0 1 2 1 2 3 4");
  EXPECT_EQ(map(6, 6), "0 1 2 3 4 5");
}

TEST(LayerMap, MiddleMapsAreOneForAnOddNumberOfBlocks) {
  for (int64_t block = 1; block <= 6; ++block) {
    for (int64_t num_blocks = 1; num_blocks <= 8; ++num_blocks) {
      const int64_t source = block * num_blocks;
      const bool equal = growth_map(LayerMapKind::kMiddleBlock, source, source + block) ==
                         growth_map(LayerMapKind::kMiddle, source, source + block);
      // If one layer is repeated and their number is even, both rules take the lower half.
      EXPECT_EQ(equal, num_blocks % 2 == 1 || block == 1) << source << " by " << block;
    }
  }
}

TEST(LayerMap, MiddleMapsShareForEvaluationAlone) {
  for (const LayerMapKind kind : {LayerMapKind::kMiddleBlock, LayerMapKind::kMiddle}) {
    EXPECT_FALSE(shares_as_it_grows(kind));
    EXPECT_EQ(sharing_map(kind, 4, 12), sharing_map(LayerMapKind::kInterpolate, 4, 12));
    EXPECT_FALSE(nests(kind, 4, 6, 12));
  }
}

TEST(LayerMap, FreshLayersHaveNoSource) {
  const LayerMap grown = growth_map(LayerMapKind::kInterpolate, 2, 5);
  EXPECT_EQ(to_string(grown), "0 0 0 1 1");
  EXPECT_EQ(added_layers(grown), (std::vector<bool>{false, true, true, false, true}));
  EXPECT_EQ(to_string(without_copies(grown)), "0 -1 -1 1 -1");
  EXPECT_EQ(to_string(without_copies(growth_map(LayerMapKind::kStack, 2, 4))), "0 1 -1 -1");
  EXPECT_EQ(added_layers(without_copies(grown)), added_layers(grown));
  EXPECT_EQ(use_counts(without_copies(grown), 2), (std::vector<int64_t>{1, 1}));
  for (const LayerMapKind kind : kKinds) {
    EXPECT_EQ(to_string(growth_map(kind, 0, 3)), "-1 -1 -1");
    EXPECT_TRUE(sharing_map(kind, 0, 0).empty());
  }
}

template <class Call>
std::string usage_error(Call call) {
  try {
    call();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(LayerMap, RefusesToShrink) {
  EXPECT_EQ(usage_error([] { growth_map(LayerMapKind::kStack, 6, 3); }),
            "cannot grow 6 layers to 3: 0 <= source <= target must hold");
  EXPECT_EQ(usage_error([] { sharing_map(LayerMapKind::kInterpolate, 0, 3); }),
            "cannot run 0 unique layers at depth 3: 1 <= unique <= depth must hold");
  EXPECT_EQ(usage_error([] {
              compose({0, 1}, {0, 2});
            }),
            "cannot compose layer maps: layer 2 of a map of 2");
}

TEST(LayerMap, RefusesAMiddleThatIsNotThere) {
  EXPECT_EQ(usage_error([] { growth_map(LayerMapKind::kMiddleBlock, 4, 7); }),
            "cannot grow 4 layers to 7 by a copy of the middle block: its 3 layers must divide 4");
  EXPECT_EQ(usage_error([] { growth_map(LayerMapKind::kMiddle, 4, 9); }),
            "cannot grow 4 layers to 9 by a copy of the middle ones: 4 are too few");
}

}  // namespace
}  // namespace apollo
