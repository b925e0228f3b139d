#include "base/printable.h"

#include <gtest/gtest.h>

#include <string>

namespace apollo {
namespace {

TEST(Printable, WritesControlCharactersAndBrokenBytesOut) {
  EXPECT_EQ(printable("a\nb\t\r\x1b[31m\x7f"), "a\\nb\\t\\r\\x1b[31m\\x7f");
  EXPECT_EQ(printable("gr\u00fc\u00df \u4e2d \U0001F600"), "gr\u00fc\u00df \u4e2d \U0001F600");
  EXPECT_EQ(printable("\u0085\u009b"), "\\xc2\\x85\\xc2\\x9b");
  EXPECT_EQ(printable("a\xff\xc3"), "a\\xff\\xc3");
  EXPECT_EQ(printable(std::string("\0x", 2)), "\\x00x");
  EXPECT_EQ(printable_lines("a\n\tb\x1b"), "a\n\tb\\x1b");
  EXPECT_EQ(printable(""), "");
}

TEST(Printable, KnowsUtf8) {
  for (const char* good : {"", "a", "\u00e9", "\u4e2d", "\U0010FFFF", "\uD7FF\uE000"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe4\xb8"})
    EXPECT_FALSE(is_utf8(bad)) << printable(bad);
}

}  // namespace
}  // namespace apollo
