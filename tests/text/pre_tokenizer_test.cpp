#include "text/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <gtest/gtest.h>
#include <pcre2.h>
#include <unicode/uchar.h>

#include <string>
#include <vector>

#include "text/random_text.h"
#include "text/utf8.h"

namespace apollo {
namespace {

using Strings = std::vector<std::string>;

constexpr PreTokenizer kKinds[] = {PreTokenizer::kGpt2, PreTokenizer::kLlama3, PreTokenizer::kQwen};

Strings pre_tokens(PreTokenizer kind, std::string_view text) {
  Strings found;
  while (!text.empty()) {
    const size_t length = pre_token_length(kind, text);
    found.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return found;
}

Strings gpt2(std::string_view text) {
  return pre_tokens(PreTokenizer::kGpt2, text);
}

Strings llama3(std::string_view text) {
  return pre_tokens(PreTokenizer::kLlama3, text);
}

Strings qwen(std::string_view text) {
  return pre_tokens(PreTokenizer::kQwen, text);
}

// The pattern itself, run by PCRE2.
class Pattern {
 public:
  explicit Pattern(PreTokenizer kind) {
    const std::string_view pattern = pre_token_pattern(kind);
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_ = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
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
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] > 0 && age[0] <= 14;
}

bool is_comparable(std::string_view text) {
  while (!text.empty()) {
    const Utf8Sequence next = next_utf8(text);
    if (!is_classed_alike(next.code_point)) return false;
    text.remove_prefix(static_cast<size_t>(next.length));
  }
  return true;
}

TEST(PreTokenizer, CutsAsGpt2) {
  EXPECT_EQ(gpt2("Hello world"), (Strings{"Hello", " world"}));
  EXPECT_EQ(gpt2("don't they'll 's"), (Strings{"don", "'t", " they", "'ll", " '", "s"}));
  EXPECT_EQ(gpt2("IT'S 've"), (Strings{"IT", "'", "S", " '", "ve"}));
  EXPECT_EQ(gpt2("'lx're'"), (Strings{"'", "lx", "'re", "'"}));
  EXPECT_EQ(gpt2("a1b2 34"), (Strings{"a", "1", "b", "2", " 34"}));
  EXPECT_EQ(gpt2("a  b"), (Strings{"a", " ", " b"}));
  EXPECT_EQ(gpt2("a \n b\n"), (Strings{"a", " \n", " b", "\n"}));
  EXPECT_EQ(gpt2("a\nb"), (Strings{"a", "\n", "b"}));
  EXPECT_EQ(gpt2("a\r\n\r\nb"), (Strings{"a", "\r\n\r", "\n", "b"}));
  EXPECT_EQ(gpt2("a   "), (Strings{"a", "   "}));
  EXPECT_EQ(gpt2(" "), (Strings{" "}));
  EXPECT_EQ(gpt2("x\u00a0\u00a0y"), (Strings{"x", "\u00a0", "\u00a0", "y"}));
  EXPECT_EQ(gpt2("\u00e9t\u00e9 \u0661\u00bd\u2603"),
            (Strings{"\u00e9t\u00e9", " \u0661\u00bd", "\u2603"}));
  EXPECT_EQ(gpt2("e\u0301"), (Strings{"e", "\u0301"}));  // a mark is no letter
}

TEST(PreTokenizer, CutsAsLlama3) {
  EXPECT_EQ(llama3("Hello world"), (Strings{"Hello", " world"}));
  EXPECT_EQ(llama3("don't THEY'LL '\u017f 'x"),
            (Strings{"don", "'t", " THEY", "'LL", " '", "\u017f", " '", "x"}));
  EXPECT_EQ(llama3("it'\u017f"), (Strings{"it", "'\u017f"}));
  EXPECT_EQ(llama3("(a) \tb $c"), (Strings{"(a", ")", " ", "\tb", " $", "c"}));
  EXPECT_EQ(llama3("1234567 12"), (Strings{"123", "456", "7", " ", "12"}));
  EXPECT_EQ(llama3("end.\n\n b"), (Strings{"end", ".\n\n", " b"}));
  EXPECT_EQ(llama3("a \n \n  b"), (Strings{"a", " \n \n", " ", " b"}));
  EXPECT_EQ(llama3("\n\nb"), (Strings{"\n\n", "b"}));
  EXPECT_EQ(llama3("a   "), (Strings{"a", "   "}));
  EXPECT_EQ(llama3("a  !"), (Strings{"a", " ", " !"}));
  EXPECT_EQ(llama3("a\t!"), (Strings{"a", "\t", "!"}));
  EXPECT_EQ(llama3("\u3000x e\u0301x"), (Strings{"\u3000x", " e", "\u0301x"}));
}

TEST(PreTokenizer, CutsAsQwen) {
  EXPECT_EQ(qwen("1234 12"), (Strings{"1", "2", "3", "4", " ", "1", "2"}));
  EXPECT_EQ(qwen("DON'T (a).\r\n"), (Strings{"DON", "'T", " (", "a", ").\r\n"}));
}

TEST(PreTokenizer, IsFoundByItsPatternAlone) {
  for (const PreTokenizer kind : kKinds)
    EXPECT_EQ(find_pre_tokenizer(pre_token_pattern(kind)), kind);
  EXPECT_EQ(find_pre_tokenizer(""), std::nullopt);
  EXPECT_EQ(find_pre_tokenizer(std::string(pre_token_pattern(PreTokenizer::kQwen)) + "|x"),
            std::nullopt);
}

TEST(PreTokenizer, EqualsThePatternOnRandomText) {
  for (const PreTokenizer kind : kKinds) {
    const Pattern pattern(kind);
    RandomText random(1);
    int num_compared = 0;
    for (int i = 0; i < 20000; ++i) {
      const std::string text = random.text();
      if (!is_comparable(text)) continue;
      ASSERT_EQ(pre_tokens(kind, text), pattern.split(text)) << enum_name(kind) << ": " << text;
      ++num_compared;
    }
    EXPECT_GT(num_compared, 5000);
  }
}

bool ends_in_space(std::string_view text) {
  char32_t last = 0;
  while (!text.empty()) {
    const Utf8Sequence next = next_utf8(text);
    last = next.code_point;
    text.remove_prefix(static_cast<size_t>(next.length));
  }
  return u_isUWhiteSpace(static_cast<UChar32>(last)) != 0;
}

// Both parts of a text that may be cut give the pre-tokens of the whole.
TEST(PreTokenizer, MayCutWhereNoPreTokenGoesOn) {
  for (const PreTokenizer kind : kKinds) {
    RandomText random(2);
    int num_cuts = 0;
    int num_refused = 0;
    for (int i = 0; i < 20000; ++i) {
      const std::string text = random.text(8);
      for (size_t place = 1; place < text.size(); ++place) {
        const char next = text[place];
        const bool is_space = next == ' ' || next == '\n' || next == '\r' || next == '\t';
        if (!is_space || ends_in_space(text.substr(0, place))) continue;
        if (!may_cut_pre_tokens(kind, text, place)) {
          ++num_refused;
          continue;
        }
        Strings parts = pre_tokens(kind, text.substr(0, place));
        for (std::string& part : pre_tokens(kind, text.substr(place)))
          parts.push_back(std::move(part));
        ASSERT_EQ(parts, pre_tokens(kind, text)) << enum_name(kind) << " at " << place;
        ++num_cuts;
      }
    }
    EXPECT_GT(num_cuts, 5000);
    EXPECT_EQ(num_refused > 100, kind != PreTokenizer::kGpt2);
  }
}

}  // namespace
}  // namespace apollo
