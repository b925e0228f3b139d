// Strings that are hard on a tokenizer: all planes, unassigned code points, all kinds of white
// space, contractions, CRLF, long words, emoji with joiners, spelled-out special tokens.
#pragma once

#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "text/utf8.h"

namespace apollo {

class RandomText {
 public:
  explicit RandomText(uint64_t seed) : engine_(seed) {}

  int64_t below(int64_t limit) {
    return static_cast<int64_t>(engine_() % static_cast<uint64_t>(limit));
  }

  // Any scalar value: some from all planes, some from where characters are assigned, and some that
  // are hard on normalisers.
  char32_t code_point() {
    struct Range {
      char32_t first;
      char32_t last;
    };
    static constexpr Range kHard[] = {
        {0, 0xA0},          {0x300, 0x36F},     {0x370, 0x52F},     {0x590, 0xDFF},
        {0x1AB0, 0x1AFF},   {0x1D00, 0x20FF},   {0x3000, 0x9FFF},   {0xAC00, 0xD7FF},
        {0xE000, 0xFFFF},   {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFF}, {0xE0000, 0xE01EF},
        {0x1D000, 0x1D7FF},
    };
    while (true) {
      char32_t c = 0;
      if (below(3) == 0) {
        const Range range = kHard[below(std::ssize(kHard))];
        c = range.first + static_cast<char32_t>(below(range.last - range.first + 1));
      } else {
        c = static_cast<char32_t>(below(below(2) == 0   ? 0x110000
                                        : below(2) == 0 ? 0x20000
                                                        : 0x3000));
      }
      if (c < 0xD800 || c > 0xDFFF) return c;
    }
  }

  std::string text(int64_t max_parts = 24) {
    std::string result;
    if (below(4) == 0) {
      for (int64_t i = below(max_parts); i > 0; --i)
        append_utf8(code_point(), result);
      return result;
    }
    const int64_t num_parts = below(max_parts);
    for (int64_t i = 0; i < num_parts; ++i)
      add_part(result);
    return result;
  }

 private:
  void add_part(std::string& result) {
    static const std::vector<std::string> kParts = {" ",
                                                    "  ",
                                                    "\n",
                                                    "\r\n",
                                                    "\t",
                                                    "\r",
                                                    "\u00a0",
                                                    "\u3000",
                                                    "\u2028",
                                                    "'s",
                                                    "'S",
                                                    "'re",
                                                    "'ll",
                                                    "'",
                                                    "don't",
                                                    "<|endoftext|>",
                                                    "<|endoftext|",
                                                    "\U0001F468\u200D\U0001F469\u200D\U0001F467",
                                                    "\U0001F44D\U0001F3FD",
                                                    "e\u0301",
                                                    "\u0661\u0662",
                                                    "\u00bd",
                                                    "\u4e2d\u6587",
                                                    "\u2603\ufe0f",
                                                    "1234567890",
                                                    "3.14",
                                                    "\u0e20\u0e32\u0e29\u0e32",
                                                    "...",
                                                    "!?",
                                                    "\x01",
                                                    "\u200b",
                                                    "'LL",
                                                    "'\u017f",
                                                    ".\n",
                                                    "\u3002\r\n",
                                                    " \n \n",
                                                    "a\u0323\u0307",
                                                    "\u1100\u1161\u11a8",
                                                    "\u212b\u2126",
                                                    "\u0344",
                                                    "\ufeff"};
    switch (below(6)) {
      case 0:
        append_utf8(code_point(), result);
        break;
      case 1:
        for (int64_t i = 1 + below(12); i > 0; --i)
          result += static_cast<char>('a' + below(26));
        break;
      case 2:
        for (int64_t i = 1 + below(below(40) == 0 ? 900 : 6); i > 0; --i) {
          append_utf8(0xC0 + static_cast<char32_t>(below(0x200)), result);
        }
        break;
      case 3:
        result += ' ';
        break;
      default:
        result += kParts[static_cast<size_t>(below(static_cast<int64_t>(kParts.size())))];
    }
  }

  std::mt19937_64 engine_;
};

}  // namespace apollo
