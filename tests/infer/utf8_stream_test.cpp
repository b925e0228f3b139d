#include "infer/utf8_stream.h"

#include <gtest/gtest.h>

#include "text/utf8.h"

namespace apollo {
namespace {

TEST(Utf8Stream, HoldsACharacterBackUntilItIsWhole) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("na\xc3"), "na");
  EXPECT_EQ(stream.push("\xafve \xf0"), "ïve ");
  EXPECT_EQ(stream.push("\x9f"), "");
  EXPECT_EQ(stream.push("\x98"), "");
  EXPECT_EQ(stream.push("\x80!"), "😀!");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Utf8Stream, WhatCannotBecomeACharacterIsReplaced) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xffz"), "a\uFFFDz");
  EXPECT_EQ(stream.push("\xe2\x82"), "");
  EXPECT_EQ(stream.push("x"), "\uFFFDx");
  EXPECT_EQ(stream.push("\xe2\x82"), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Utf8Stream, AnyCutGivesTheRepairedWhole) {
  const std::string bytes =
      "\x80 aé€😀 \xf0\x9f\x98 \xe2\x82\xe2\x82\xac \xc3\xc3\xa9 \xed\xa0\x80 \xf4\x90";
  std::string expected;
  repair_utf8(bytes, expected);
  for (size_t first = 0; first <= bytes.size(); ++first) {
    for (size_t second = first; second <= bytes.size(); ++second) {
      Utf8Stream stream;
      std::string text = stream.push(bytes.substr(0, first));
      text += stream.push(bytes.substr(first, second - first));
      text += stream.push(bytes.substr(second));
      text += stream.finish();
      ASSERT_EQ(text, expected) << first << " " << second;
    }
  }
}

}  // namespace
}  // namespace apollo
