#include "text/token_lines.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "base/error.h"

namespace apollo {
namespace {

std::string convert(decltype(encode_lines)& function, const std::string& input, bool json = false,
                    bool special_tokens = true) {
  std::istringstream in(input);
  std::ostringstream out;
  TokenLineOptions options;
  options.json = json;
  options.special_tokens = special_tokens;
  options.name = "lines";
  function(in, out, *load_tokenizer("bytes"), options);
  return out.str();
}

std::string decode_error(const std::string& input) {
  try {
    convert(decode_lines, input);
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

TEST(TokenLines, Encode) {
  EXPECT_EQ(convert(encode_lines, "ab\n\nc"), "97 98\n\n99\n");
  EXPECT_EQ(convert(encode_lines, "ab\n\n", true), "{\"ids\": [97, 98]}\n{\"ids\": []}\n");
  EXPECT_EQ(convert(encode_lines, "a\r\n"), "97 13\n");
  EXPECT_EQ(convert(encode_lines, "<|endoftext|>"), "256\n");
  EXPECT_EQ(convert(encode_lines, "<|endoftext|>", false, false).substr(0, 7), "60 124 ");
}

TEST(TokenLines, Decode) {
  EXPECT_EQ(convert(decode_lines, "97 98\n\n 256  99"), "ab\n\n<|endoftext|>c\n");
  EXPECT_EQ(convert(decode_lines, "97 256 98\n", false, false), "ab\n");
  EXPECT_EQ(convert(decode_lines, "{\"ids\": [97, 10, 195]}\n", true),
            "{\"text\":\"a\\n\uFFFD\"}\n");
}

TEST(TokenLines, DecodeErrors) {
  EXPECT_EQ(decode_error("97\n9x\n"),
            "lines:2: expected ids separated by spaces or {\"ids\": [...]}, found '9x'");
  EXPECT_EQ(decode_error("{\"ids\": [\"a\"]}"),
            "lines:1: expected ids separated by spaces or {\"ids\": [...]}, found "
            "'{\"ids\": [\"a\"]}'");
  EXPECT_EQ(decode_error("97\n98\n1000\n"),
            "lines:3: tokenizer: no token has id '1000' (vocabulary of 257)");
  EXPECT_EQ(decode_error("99999999999"),
            "lines:1: expected ids separated by spaces or {\"ids\": [...]}, found '99999999999'");
}

}  // namespace
}  // namespace apollo
