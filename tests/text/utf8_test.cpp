#include "text/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace apollo {
namespace {

// Expected values are those of Python 3.11: bytes.decode("utf-8", "replace").
struct Repair {
  std::string in;
  std::string out;
  int64_t num_replaced;
};

constexpr const char* kR = "\xEF\xBF\xBD";

TEST(Utf8, RepairsAsPythonDoes) {
  const std::string r = kR;
  const Repair repairs[] = {
      {"", "", 0},
      {"plain", "plain", 0},
      {"caf\xC3\xA9 \xF0\x9F\x98\x80", "caf\xC3\xA9 \xF0\x9F\x98\x80", 0},
      {"\x80", r, 1},
      {"a\xC3", "a" + r, 1},
      {"\xC3(", r + "(", 1},
      {"\xC0\xAF", r + r, 2},  // overlong
      {"\xE2\x82", r, 1},      // a truncated sequence is one
      {"\xE2\x82z", r + "z", 1},
      {"\xE0\x80\x80", r + r + r, 3},  // no lead byte takes what follows
      {"\xED\xA0\x80", r + r + r, 3},  // a surrogate
      {"\xF0\x9F\x98", r, 1},
      {"\xF0\x9F\x98 x", r + " x", 1},
      {"\xF4\x90\x80\x80", r + r + r + r, 4},  // beyond U+10FFFF
      {"\xF5\x80", r + r, 2},
      {"\xFF\xFE", r + r, 2},
      {"12345678\x80"
       "12345678",
       "12345678" + r + "12345678", 1},
  };
  for (const Repair& repair : repairs) {
    std::string out = "old";
    EXPECT_EQ(repair_utf8(repair.in, out), repair.num_replaced) << repair.out;
    EXPECT_EQ(out, repair.out);
    EXPECT_EQ(is_valid_utf8(repair.in), repair.num_replaced == 0);
  }
}

TEST(Utf8, EveryScalarValueSurvives) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    append_utf8(c, text);
    const Utf8Sequence sequence = next_utf8(text);
    ASSERT_TRUE(sequence.valid) << static_cast<uint32_t>(c);
    ASSERT_EQ(sequence.code_point, c);
    ASSERT_EQ(static_cast<size_t>(sequence.length), text.size());
  }
}

}  // namespace
}  // namespace apollo
