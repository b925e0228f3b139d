#include "text/byte_level.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <gtest/gtest.h>
#include <pcre2.h>
#include <unicode/uchar.h>

#include <memory>
#include <string>
#include <vector>

#include "text/random_text.h"
#include "text/utf8.h"

namespace apollo {
namespace {

using Strings = std::vector<std::string>;

Strings pre_tokens(std::string_view text) {
  Strings found;
  while (!text.empty()) {
    const size_t length = pre_token_length(text);
    found.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return found;
}

// The pattern itself, run by PCRE2.
class Pattern {
 public:
  Pattern() {
    const char* const pattern =
        R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_ = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED,
                          PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
    match_ = pcre2_match_data_create_from_pattern(code_, nullptr);
  }
  ~Pattern() {
    pcre2_match_data_free(match_);
    pcre2_code_free(code_);
  }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  Strings split(const std::string& text) const {
    Strings found;
    size_t at = 0;
    while (at < text.size() && pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()),
                                           text.size(), at, 0, match_, nullptr) > 0) {
      const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(match_);
      EXPECT_EQ(ends[0], at);
      at = ends[1];
      found.push_back(text.substr(ends[0], ends[1] - ends[0]));
    }
    return found;
  }

 private:
  pcre2_code* code_;
  pcre2_match_data* match_;
};

// Code points that PCRE2 and our table class alike: its Unicode version is older.
bool is_classed_alike(char32_t c) {
  const auto category = static_cast<UChar32>(c);
  UVersionInfo age;
  u_charAge(category, age);
  return age[0] > 0 && age[0] <= 14;
}

TEST(PreTokens, FollowThePattern) {
  EXPECT_EQ(pre_tokens("Hello world"), (Strings{"Hello", " world"}));
  EXPECT_EQ(pre_tokens("don't they'll 's"), (Strings{"don", "'t", " they", "'ll", " '", "s"}));
  EXPECT_EQ(pre_tokens("IT'S 've"), (Strings{"IT", "'", "S", " '", "ve"}));
  EXPECT_EQ(pre_tokens("'lx're'"), (Strings{"'", "lx", "'re", "'"}));
  EXPECT_EQ(pre_tokens("a1b2 34"), (Strings{"a", "1", "b", "2", " 34"}));
  EXPECT_EQ(pre_tokens("a  b"), (Strings{"a", " ", " b"}));
  EXPECT_EQ(pre_tokens("a \n b\n"), (Strings{"a", " \n", " b", "\n"}));
  EXPECT_EQ(pre_tokens("a\nb"), (Strings{"a", "\n", "b"}));
  EXPECT_EQ(pre_tokens("a\r\n\r\nb"), (Strings{"a", "\r\n\r", "\n", "b"}));
  EXPECT_EQ(pre_tokens("a   "), (Strings{"a", "   "}));
  EXPECT_EQ(pre_tokens(" "), (Strings{" "}));
  EXPECT_EQ(pre_tokens("x\u00a0\u00a0y"), (Strings{"x", "\u00a0", "\u00a0", "y"}));
  EXPECT_EQ(pre_tokens("\u00e9t\u00e9 \u0661\u00bd\u2603"),
            (Strings{"\u00e9t\u00e9", " \u0661\u00bd", "\u2603"}));
  EXPECT_EQ(pre_tokens("e\u0301"), (Strings{"e", "\u0301"}));  // a mark is no letter
}

TEST(PreTokens, EqualThePatternOnRandomText) {
  const Pattern pattern;
  RandomText random(1);
  int num_compared = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string text = random.text();
    bool is_comparable = true;
    for (std::string_view rest = text; !rest.empty();) {
      const Utf8Sequence next = next_utf8(rest);
      is_comparable = is_comparable && is_classed_alike(next.code_point);
      rest.remove_prefix(static_cast<size_t>(next.length));
    }
    if (!is_comparable) continue;
    ASSERT_EQ(pre_tokens(text), pattern.split(text)) << text;
    ++num_compared;
  }
  EXPECT_GT(num_compared, 5000);
}

TEST(CharClass, EqualsIcuWhereItKnowsTheCharacter) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    const auto code_point = static_cast<UChar32>(c);
    const uint32_t category = U_GET_GC_MASK(code_point);
    if ((c >= 0xD800 && c < 0xE000) || (category & U_GC_CN_MASK) != 0) continue;
    CharClass expected = CharClass::kOther;
    if ((category & U_GC_L_MASK) != 0) expected = CharClass::kLetter;
    if ((category & U_GC_N_MASK) != 0) expected = CharClass::kNumber;
    if (u_isUWhiteSpace(code_point)) expected = CharClass::kSpace;
    // Assigned after Unicode 16, of which our table is.
    UVersionInfo age;
    u_charAge(code_point, age);
    if (age[0] > 16) continue;
    ASSERT_EQ(char_class(c), expected) << std::hex << static_cast<uint32_t>(c);
  }
}

TEST(ByteChars, AreThoseOfGpt2) {
  EXPECT_EQ(bytes_to_chars(" a\n"), "\u0120a\u010a");
  EXPECT_EQ(bytes_to_chars(std::string("\0\x7f\x80\xa0\xad\xff", 6)),
            "\u0100\u0121\u0122\u0142\u0143\u00ff");
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    EXPECT_EQ(chars_to_bytes(bytes_to_chars(text)), text);
  }
  EXPECT_EQ(chars_to_bytes("a b"), std::nullopt);
  EXPECT_EQ(chars_to_bytes("\u4e2d"), std::nullopt);
  EXPECT_EQ(chars_to_bytes("\u0144"), std::nullopt);
}

}  // namespace
}  // namespace apollo
