#include "text/byte_level_bpe.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "text/byte_level.h"
#include "text/random_text.h"

namespace apollo {
namespace {

using Ids = std::vector<TokenId>;

Ids encode(const Tokenizer& tokenizer, std::string_view text, bool parse_special = true) {
  Ids ids;
  tokenizer.encode(text, ids, parse_special);
  return ids;
}

// The bytes, <|endoftext|> = 256, and "he" 257, "ll" 258, "hell" 259, " h" 260.
BpeVocabulary small_vocabulary() {
  BpeVocabulary vocabulary = make_bytes_vocabulary();
  for (const char* token : {"he", "ll", "hell", "\u0120h"})
    vocabulary.tokens.push_back(token);
  vocabulary.merges = {{'h', 'e', 257}, {'l', 'l', 258}, {257, 258, 259}, {' ', 'h', 260}};
  return vocabulary;
}

TEST(BytesTokenizer, IdsAreTheBytes) {
  const auto bytes = load_tokenizer("bytes");
  EXPECT_EQ(bytes->vocab_size(), 257);
  EXPECT_EQ(bytes->end_of_text(), 256);
  EXPECT_EQ(encode(*bytes, "a\u00e9\n"), (Ids{'a', 0xC3, 0xA9, '\n'}));
  EXPECT_EQ(encode(*bytes, "a<|endoftext|>"), (Ids{'a', 256}));
  EXPECT_EQ(encode(*bytes, "<|", false), (Ids{'<', '|'}));
  EXPECT_EQ(encode(*bytes, "<|endoftext|>", false).size(), 13u);
  for (TokenId id = 0; id < 256; ++id) {
    EXPECT_EQ(bytes->token_text(id), std::string(1, static_cast<char>(id)));
  }
}

TEST(ByteLevelBpe, MergesWithinWords) {
  const ByteLevelBpe bpe(small_vocabulary());
  EXPECT_EQ(encode(bpe, "hello"), (Ids{259, 'o'}));
  EXPECT_EQ(encode(bpe, "hello hell"), (Ids{259, 'o', ' ', 259}));
  EXPECT_EQ(encode(bpe, " hi"), (Ids{260, 'i'}));
  EXPECT_EQ(encode(bpe, "h'll"), (Ids{'h', '\'', 258}));
  EXPECT_EQ(encode(bpe, ""), Ids{});
}

TEST(ByteLevelBpe, AppendsAndRepeatsFromTheCache) {
  const ByteLevelBpe bpe(small_vocabulary());
  Ids ids = {7};
  bpe.encode("hello", ids, true);
  bpe.encode("hello", ids, true);
  EXPECT_EQ(ids, (Ids{7, 259, 'o', 259, 'o'}));
}

TEST(ByteLevelBpe, RepairsInvalidUtf8) {
  const ByteLevelBpe bpe(small_vocabulary());
  EXPECT_EQ(encode(bpe,
                   "a\xFF"
                   "b"),
            (Ids{'a', 0xEF, 0xBF, 0xBD, 'b'}));
}

TEST(ByteLevelBpe, SettingsOfTheVocabulary) {
  BpeVocabulary vocabulary = small_vocabulary();
  vocabulary.add_prefix_space = true;
  EXPECT_EQ(encode(ByteLevelBpe(vocabulary), "hi<|endoftext|>hi"), (Ids{260, 'i', 256, 260, 'i'}));
  EXPECT_EQ(encode(ByteLevelBpe(vocabulary), " hi"), (Ids{260, 'i'}));
  EXPECT_EQ(encode(ByteLevelBpe(vocabulary), ""), Ids{});

  vocabulary = small_vocabulary();
  vocabulary.merges.pop_back();
  EXPECT_EQ(encode(ByteLevelBpe(vocabulary), " h"), (Ids{' ', 'h'}));
  vocabulary.ignore_merges = true;
  EXPECT_EQ(encode(ByteLevelBpe(vocabulary), " h"), (Ids{260}));
}

TEST(ByteLevelBpe, BytesWithoutAToken) {
  BpeVocabulary vocabulary;
  vocabulary.tokens = {"a", "b", "?", "ab"};
  vocabulary.merges = {{0, 1, 3}};
  EXPECT_EQ(encode(ByteLevelBpe(vocabulary), "axxb"), (Ids{3}));  // dropped, as HF does
  vocabulary.unknown = 2;
  EXPECT_EQ(encode(ByteLevelBpe(vocabulary), "axxb"), (Ids{0, 2, 2, 1}));
  vocabulary.fuse_unknown = true;
  EXPECT_EQ(encode(ByteLevelBpe(vocabulary), "axxb"), (Ids{0, 2, 1}));
}

TEST(ByteLevelBpe, DecodesWithReplacementAndWithoutSpecials) {
  const ByteLevelBpe bpe(small_vocabulary());
  EXPECT_EQ(bpe.decode({259, 'o', 256, 0xC3, 0xA9}, false), "hello<|endoftext|>\u00e9");
  EXPECT_EQ(bpe.decode({259, 'o', 256, 0xC3, 0xA9}, true), "hello\u00e9");
  EXPECT_EQ(bpe.decode({0xC3, 'a'}, true),
            "\uFFFD"
            "a");
  EXPECT_EQ(bpe.decode({}, true), "");
}

// Anything quadratic in it would take longer than ctest lets it.
TEST(ByteLevelBpe, AWordOfAMegabyte) {
  const ByteLevelBpe bpe(small_vocabulary());
  std::string word;
  for (int i = 0; i < 1 << 18; ++i)
    word += "hell";
  EXPECT_EQ(encode(bpe, word), Ids(1 << 18, 259));
  EXPECT_EQ(encode(bpe, std::string(1 << 20, 'x')).size(), 1u << 20);
}

TEST(ByteLevelBpe, UnknownIdsAreErrors) {
  const ByteLevelBpe bpe(small_vocabulary());
  for (const TokenId id : {-1, 261}) {
    try {
      bpe.decode({id}, true);
      ADD_FAILURE() << id;
    } catch (const DataError& error) {
      EXPECT_EQ(error.what(),
                "tokenizer: no token has id '" + std::to_string(id) + "' (vocabulary of 261)");
    }
  }
}

TEST(ByteLevelBpe, RandomTextComesBack) {
  const ByteLevelBpe bpe(small_vocabulary());
  RandomText random(3);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random.text();
    ASSERT_EQ(bpe.decode(encode(bpe, text), false), text);
  }
}

// Words of every length around the limit of the cache, at the end of the text and inside it.
TEST(ByteLevelBpe, CachedWordsKeepTheirLength) {
  const ByteLevelBpe bpe(small_vocabulary());
  for (int round = 0; round < 2; ++round) {
    for (size_t length = 1; length < 40; ++length) {
      const std::string word(length, 'x');
      EXPECT_EQ(encode(bpe, word), Ids(length, 'x'));
      EXPECT_EQ(encode(bpe, word + "\n" + std::string(40, 'y')).size(), length + 41);
    }
  }
}

TEST(ByteLevelBpe, ThreadsGetEqualIds) {
  const ByteLevelBpe bpe(small_vocabulary());
  RandomText random(4);
  std::string text;
  for (int i = 0; i < 3000; ++i)
    text += random.text();
  const Ids expected = encode(bpe, text);
  std::vector<Ids> found(8);
  std::vector<std::thread> threads;
  for (Ids& ids : found) {
    threads.emplace_back([&] { bpe.encode(text, ids, true); });
  }
  for (std::thread& thread : threads)
    thread.join();
  for (const Ids& ids : found)
    EXPECT_EQ(ids, expected);
}

TEST(ByteLevelBpe, HashTellsTokenizersApart) {
  const std::string hash = ByteLevelBpe(small_vocabulary()).hash();
  EXPECT_EQ(hash, ByteLevelBpe(small_vocabulary()).hash());
  EXPECT_EQ(hash.size(), 32u);

  BpeVocabulary other = small_vocabulary();
  std::swap(other.merges[0], other.merges[1]);
  EXPECT_NE(hash, ByteLevelBpe(other).hash());
  other = small_vocabulary();
  other.add_prefix_space = true;
  EXPECT_NE(hash, ByteLevelBpe(other).hash());
  other = small_vocabulary();
  other.added[0].special = false;
  EXPECT_NE(hash, ByteLevelBpe(other).hash());
  other = small_vocabulary();
  other.added[0].normalized = true;  // alone, it changes no id
  EXPECT_EQ(hash, ByteLevelBpe(other).hash());
}

}  // namespace
}  // namespace apollo
