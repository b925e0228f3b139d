#include "base/spelling.h"

#include <gtest/gtest.h>

#include <vector>

namespace apollo {
namespace {

TEST(EditDistance, IsLevenshteins) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("abc", ""), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("flaw", "lawn"), 2);
  EXPECT_EQ(edit_distance("intention", "execution"), 5);
  EXPECT_EQ(edit_distance("ab", "ba"), 2);
}

TEST(NearestName, IsOnlyATypingErrorAway) {
  const std::vector<std::string> names = {"width", "heads", "layers", "layer_map"};
  EXPECT_EQ(nearest_name("widht", names), "width");
  EXPECT_EQ(nearest_name("layer", names), "layers");
  EXPECT_EQ(nearest_name("layermap", names), "layer_map");
  EXPECT_EQ(nearest_name("heads", names), "heads");
  EXPECT_EQ(nearest_name("colour", names), "");
  EXPECT_EQ(nearest_name("width", std::vector<std::string>{}), "");
  EXPECT_EQ(nearest_name("ayers", std::vector<std::string>{"bayers", "layers"}), "bayers")
      << "the first of several equally near";
}

TEST(DidYouMean, IsAHintOrWhatElseThereIsToSay) {
  const std::vector<std::string> names = {"layers", "width"};
  EXPECT_EQ(did_you_mean("widht", names), "did you mean 'width'?");
  EXPECT_EQ(did_you_mean("widht", names, "see the list"), "did you mean 'width'?");
  EXPECT_EQ(did_you_mean("colour", names, "see the list"), "see the list");
  EXPECT_EQ(did_you_mean("colour", names), "");
}

}  // namespace
}  // namespace apollo
