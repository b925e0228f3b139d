// Strings that are hard on a tokenizer: every plane, unassigned code points, white space of all
// kinds, contractions, CRLF, long words, emoji with joiners, spelled-out special tokens.
#pragma once

#include <cstdint>
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

  char32_t code_point() {
    while (true) {
      // Half of them where characters live, half anywhere.
      const int64_t limit = below(2) == 0 ? 0x110000 : below(2) == 0 ? 0x20000 : 0x3000;
      const auto c = static_cast<char32_t>(below(limit));
      if (c < 0xD800 || c > 0xDFFF) return c;
    }
  }

  std::string text() {
    std::string result;
    const int64_t num_parts = below(24);
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
