#include "text/bert_normalizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "text/random_text.h"

namespace apollo {
namespace {

using Words = std::vector<std::string>;

BertNormalizerOptions cased() {
  BertNormalizerOptions options;
  options.lowercase = false;
  return options;
}

std::string normal(const std::string& text, const BertNormalizerOptions& options = {}) {
  std::string out;
  normalize_bert(text, options, out);
  return out;
}

Words words_of(std::string_view normalized) {
  Words words;
  for (std::string_view word = next_bert_word(normalized); !word.empty();
       word = next_bert_word(normalized)) {
    words.emplace_back(word);
  }
  return words;
}

TEST(BertNormalizer, LowersAndStripsAccents) {
  EXPECT_EQ(normal("H\u00c9llo \u00dcb\u00ebr"), "hello uber");
  EXPECT_EQ(normal("A\u0301\u0323b"), "ab");
  EXPECT_EQ(normal("\uac00"), "\u1100\u1161");  // Hangul comes apart
  EXPECT_EQ(normal("A\u03a3"), "a\u03c3");      // no final sigma
  EXPECT_EQ(normal("\u0130"), "i");             // I with a dot, which is an accent
  EXPECT_EQ(normal("H\u00c9", cased()), "H\u00c9");
}

TEST(BertNormalizer, StripAccentsFollowsLowercaseUnlessSet) {
  BertNormalizerOptions options;
  options.strip_accents = false;
  EXPECT_EQ(normal("\u00c9", options), "\u00e9");
  EXPECT_EQ(normal("\u0130", options), "i\u0307");
  options = cased();
  options.strip_accents = true;
  EXPECT_EQ(normal("\u00c9", options), "E");
}

TEST(BertNormalizer, CleansUp) {
  EXPECT_EQ(normal(std::string("a\0b", 3)), "ab");
  EXPECT_EQ(normal("a\x0b"
                   "b\x7f\u200b\ufffd\ue000"),
            "ab");
  EXPECT_EQ(normal("a\tb\r\nc\u00a0d\u3000e"), "a b  c d e");
  BertNormalizerOptions options;
  options.clean_text = false;
  EXPECT_EQ(normal("a\x01\tb\u200b", options), "a\x01\tb\u200b");
}

TEST(BertNormalizer, PutsSpacesAroundIdeographs) {
  EXPECT_EQ(normal("a\u4e2d\u6587b"), "a \u4e2d  \u6587 b");
  EXPECT_EQ(normal("\u3042"), "\u3042");  // Hiragana is no ideograph
  BertNormalizerOptions options;
  options.handle_chinese_chars = false;
  EXPECT_EQ(normal("a\u4e2d", options), "a\u4e2d");
}

TEST(BertNormalizer, CutsAtSpaceAndPunctuation) {
  EXPECT_EQ(words_of(" don't  stop...\n"), (Words{"don", "'", "t", "stop", ".", ".", "."}));
  EXPECT_EQ(words_of("a\u2014b\u3000$5"), (Words{"a", "\u2014", "b", "$", "5"}));
  EXPECT_EQ(words_of("  "), Words{});
}

// What the encoder rests on: chunks give the words of the whole text.
TEST(BertNormalizer, ChunksGiveTheSameWords) {
  RandomText random(31);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random.text();
    for (const BertNormalizerOptions& options : {BertNormalizerOptions(), cased()}) {
      Words found;
      std::string_view rest = text;
      for (std::string_view chunk = next_bert_chunk(rest); !chunk.empty();
           chunk = next_bert_chunk(rest)) {
        for (std::string& word : words_of(normal(std::string(chunk), options)))
          found.push_back(std::move(word));
      }
      ASSERT_EQ(found, words_of(normal(text, options))) << text;
    }
  }
}

}  // namespace
}  // namespace apollo
