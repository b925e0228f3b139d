#include "text/added_tokens.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace apollo {
namespace {

AddedToken make_token(TokenId id, const std::string& text) {
  AddedToken token;
  token.id = id;
  token.text = text;
  token.special = true;
  return token;
}

// "[text]" for ordinary text, "id:text" for a token.
std::string split(const std::vector<AddedToken>& tokens, std::string_view text,
                  bool parse_special = true) {
  std::vector<TextSpan> spans;
  AddedTokenMatcher(tokens).split(text, parse_special, spans);
  std::string result;
  for (const TextSpan& span : spans) {
    const std::string inner(span.text);
    result += span.id == TextSpan::kNoToken ? "[" + inner + "]"
                                            : std::to_string(span.id) + ":" + inner + ";";
  }
  return result;
}

TEST(AddedTokens, LeftmostAndLongest) {
  const std::vector<AddedToken> tokens = {make_token(1, "<a>"), make_token(2, "<a><b>"),
                                          make_token(3, "b>")};
  EXPECT_EQ(split(tokens, "x<a>y"), "[x]1:<a>;[y]");
  EXPECT_EQ(split(tokens, "<a><b>b>"), "2:<a><b>;3:b>;");
  EXPECT_EQ(split(tokens, "<a><b"), "1:<a>;[<b]");
  EXPECT_EQ(split(tokens, ""), "");
  EXPECT_EQ(split({}, "<a>"), "[<a>]");
}

TEST(AddedTokens, SpecialOnesAreTextWhereAsked) {
  AddedToken ordinary = make_token(2, "<b>");
  ordinary.special = false;
  EXPECT_EQ(split({make_token(1, "<a>"), ordinary}, "<a><b>c", false), "[<a>]2:<b>;[c]");
}

TEST(AddedTokens, StripTakesWhiteSpaceAlong) {
  AddedToken token = make_token(1, "<a>");
  token.lstrip = true;
  EXPECT_EQ(split({token}, "x \u3000<a> y"), "[x]1: \u3000<a>;[ y]");
  token.rstrip = true;
  EXPECT_EQ(split({token}, "x <a> \n<a> y"), "[x]1: <a> \n;1:<a> ;[y]");
}

TEST(AddedTokens, SingleWordStandsAlone) {
  AddedToken token = make_token(1, "ab");
  token.single_word = true;
  EXPECT_EQ(split({token}, "ab cab abc \u00e9ab ab_ ab-ab"),
            "1:ab;[ cab abc \u00e9ab ab_ ]1:ab;[-]1:ab;");
}

TEST(AddedTokens, TakenWhiteSpaceMayBeginTheNextOne) {
  AddedToken right = make_token(1, "<r>");
  right.rstrip = true;
  EXPECT_EQ(split({right, make_token(2, " a")}, "<r> a b"), "1:<r> ;2: a;[ b]");
}

TEST(AddedTokens, NormalizedOnesComeSecond) {
  AddedToken late = make_token(1, "aab");
  late.normalized = true;
  EXPECT_EQ(split({late, make_token(2, "ab")}, "aabaab"), "[a]2:ab;[a]2:ab;");
  EXPECT_EQ(split({late, make_token(2, "xy")}, "xyaab"), "2:xy;1:aab;");
}

}  // namespace
}  // namespace apollo
