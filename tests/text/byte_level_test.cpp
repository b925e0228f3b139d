#include "text/byte_level.h"

#include <gtest/gtest.h>
#include <unicode/uchar.h>

#include <string>

namespace apollo {
namespace {

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
