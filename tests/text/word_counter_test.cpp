#include "text/word_counter.h"

#include <gtest/gtest.h>

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "text/pre_tokenizer.h"

namespace apollo {
namespace {

using Counts = std::map<std::string, int64_t>;

void add_pre_tokens(std::string_view stretch, WordTable& words) {
  while (!stretch.empty()) {
    const size_t length = pre_token_length(PreTokenizer::kGpt2, stretch);
    words.add(stretch.substr(0, length), 1);
    stretch.remove_prefix(length);
  }
}

Counts count(std::vector<std::string> pieces, int64_t num_threads = 2) {
  size_t next = 0;
  const auto source = [&](std::string& piece) {
    if (next == pieces.size()) return false;
    piece = pieces[next++];
    return true;
  };
  const WordTable words = count_words(source, num_threads, /*show_progress=*/false, add_pre_tokens);
  Counts counts;
  for (size_t i = 0; i < words.size(); ++i) {
    EXPECT_TRUE(counts.emplace(words.word(i), words.count(i)).second) << words.word(i);
  }
  return counts;
}

TEST(WordCounter, CountsPreTokens) {
  EXPECT_EQ(count({"a b a", " b\nc", ""}),
            (Counts{{"a", 1}, {" a", 1}, {" b", 2}, {"\n", 1}, {"c", 1}}));
}

TEST(WordCounter, EndOfTextIsNoWordAndEndsOne) {
  EXPECT_EQ(count({"a<|endoftext|>a<|endoftext|>"}), (Counts{{"a", 2}}));
}

TEST(WordCounter, InvalidUtf8CountsAsReplacement) {
  EXPECT_EQ(count({"\xFF"}), (Counts{{"\uFFFD", 1}}));
}

// More words than a thread keeps to itself, so that tables are emptied on the way.
TEST(WordCounter, ManyWordsOnAnyNumberOfThreads) {
  std::vector<std::string> pieces;
  Counts expected;
  for (int p = 0; p < 40; ++p) {
    std::string piece;
    for (int w = 0; w < 10000; ++w) {
      std::string word = " w";
      for (int rest = (p * 5000 + w) % 150000; rest > 0; rest /= 26) {
        word += static_cast<char>('a' + rest % 26);
      }
      piece += word;
      ++expected[word];
    }
    pieces.push_back(piece);
  }
  EXPECT_EQ(count(pieces, 1), expected);
  EXPECT_EQ(count(pieces, 3), expected);
}

TEST(WordCounter, HandsOnWhatTheSourceThrows) {
  const auto source = [](std::string&) -> bool { throw std::runtime_error("disk gone"); };
  EXPECT_THROW(count_words(source, 2, false, add_pre_tokens), std::runtime_error);
}

TEST(WordTable, CountsBeyond32Bits) {
  WordTable words;
  words.add("a", int64_t{1} << 40);
  words.add("a", 1);
  EXPECT_EQ(words.count(0), (int64_t{1} << 40) + 1);
  EXPECT_EQ(words.size(), 1u);
}

}  // namespace
}  // namespace apollo
