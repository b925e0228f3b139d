#include "text/bpe_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/byte_level.h"
#include "text/byte_level_bpe.h"

namespace apollo {
namespace {

BpeTrainerOptions quiet(int64_t vocab_size, int64_t num_threads = 1) {
  BpeTrainerOptions options;
  options.vocab_size = vocab_size;
  options.num_threads = num_threads;
  options.show_progress = false;
  return options;
}

// `text` in pieces of about `piece_bytes`, cut before a single space.
TextSource in_pieces(const std::string& text, size_t piece_bytes) {
  return [&text, piece_bytes, at = size_t{0}](std::string& piece) mutable {
    if (at == text.size()) return false;
    const size_t end = std::min(text.find(" x", at + piece_bytes), text.size());
    piece = text.substr(at, end - at);
    at = end;
    return true;
  };
}

std::unique_ptr<Tokenizer> train(const std::string& text, const BpeTrainerOptions& options,
                                 size_t piece_bytes = 1 << 20) {
  return train_bpe(in_pieces(text, piece_bytes), options);
}

const BpeVocabulary& vocabulary_of(const Tokenizer& tokenizer) {
  return dynamic_cast<const ByteLevelBpe&>(tokenizer).vocabulary();
}

// Words over few letters, so that pairs overlap and tie.
std::string made_up_text(size_t num_words) {
  std::string text;
  uint64_t state = 1;
  const auto next = [&] {
    return (state = state * 6364136223846793005u + 1442695040888963407u) >> 40;
  };
  for (size_t i = 0; i < num_words; ++i) {
    text += i % 50 == 49 ? " x" : " ";
    for (uint64_t length = 1 + next() % 14; length > 0; --length) {
      text += static_cast<char>('a' + next() % 2);
    }
  }
  return text;
}

// The definition: count all pairs of all words anew for every merge.
std::vector<std::string> train_plainly(const std::string& text, size_t num_tokens,
                                       const BpeVocabulary& base) {
  std::map<std::string, TokenId> ids;
  std::vector<std::string> tokens(base.tokens.begin(), base.tokens.begin() + 257);
  for (size_t i = 0; i < tokens.size(); ++i)
    ids[tokens[i]] = static_cast<TokenId>(i);
  std::map<std::vector<TokenId>, int64_t> words;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t length = pre_token_length(PreTokenizer::kGpt2, rest);
    std::vector<TokenId> word;
    for (const char c : rest.substr(0, length))
      word.push_back(ids[bytes_to_chars({&c, 1})]);
    ++words[word];
    rest.remove_prefix(length);
  }
  std::vector<std::string> merges;
  while (tokens.size() < num_tokens) {
    std::map<std::pair<TokenId, TokenId>, int64_t> pairs;
    for (const auto& [word, count] : words) {
      for (size_t i = 0; i + 1 < word.size(); ++i)
        pairs[{word[i], word[i + 1]}] += count;
    }
    auto best = pairs.begin();
    for (auto at = pairs.begin(); at != pairs.end(); ++at) {
      if (at->second > best->second) best = at;
    }
    const auto [left, right] = best->first;
    const std::string left_text = tokens[static_cast<size_t>(left)];
    const std::string right_text = tokens[static_cast<size_t>(right)];
    const auto [merged, is_new] =
        ids.try_emplace(left_text + right_text, static_cast<TokenId>(tokens.size()));
    if (is_new) tokens.push_back(merged->first);
    merges.push_back(left_text + " " + right_text);
    std::map<std::vector<TokenId>, int64_t> next;
    for (const auto& [word, count] : words) {
      std::vector<TokenId> shorter;
      for (size_t i = 0; i < word.size(); ++i) {
        const bool is_pair = word[i] == left && i + 1 < word.size() && word[i + 1] == right;
        shorter.push_back(is_pair ? merged->second : word[i]);
        i += is_pair ? 1 : 0;
      }
      next[shorter] += count;
    }
    words = std::move(next);
  }
  return merges;
}

TEST(BpeTrainer, MergesTheMostFrequentPairFirst) {
  const auto tokenizer = train("hug hug hug pug pug pun", quiet(259));
  const BpeVocabulary& vocabulary = vocabulary_of(*tokenizer);
  EXPECT_EQ(vocabulary.tokens[0], "<|endoftext|>");
  EXPECT_EQ(vocabulary.tokens[1], "!");
  EXPECT_EQ(vocabulary.tokens[256], "\u0143");
  EXPECT_EQ(vocabulary.tokens[257], "ug");   // 5 times
  EXPECT_EQ(vocabulary.tokens[258], "hug");  // 3 times, as "\u0120p" of larger ids
  EXPECT_EQ(tokenizer->end_of_text(), 0);
  EXPECT_EQ(tokenizer->vocab_size(), 259);
}

TEST(BpeTrainer, FollowsTheDefinition) {
  const std::string text = made_up_text(2000);
  const auto tokenizer = train(text, quiet(660));
  const BpeVocabulary& found = vocabulary_of(*tokenizer);
  std::vector<std::string> merges;
  for (const Merge& merge : found.merges) {
    merges.push_back(found.tokens[static_cast<size_t>(merge.left)] + " " +
                     found.tokens[static_cast<size_t>(merge.right)]);
  }
  EXPECT_EQ(merges, train_plainly(text, 660, found));
}

TEST(BpeTrainer, SameForAnyThreadsAndPieces) {
  const std::string text = made_up_text(50000);
  const std::string expected = train(text, quiet(900))->hash();
  EXPECT_EQ(train(text, quiet(900, 4))->hash(), expected);
  EXPECT_EQ(train(text, quiet(900, 3), 100)->hash(), expected);
  EXPECT_EQ(train(text, quiet(900, 2), 5000)->hash(), expected);
}

TEST(BpeTrainer, Errors) {
  const auto message = [](const std::string& text, int64_t vocab_size) -> std::string {
    try {
      train(text, quiet(vocab_size));
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message("aaaa aaaa", 1000),
            "the text allows 259 tokens, but vocab_size is 1000; hint: --vocab-size 259 or more "
            "text");
  EXPECT_EQ(message("aaaa aaaa", 259), "no error");
  EXPECT_EQ(message("", 1000), "no text to train a tokenizer on: the files are empty");
  EXPECT_EQ(message("<|endoftext|>", 1000), "no text to train a tokenizer on: the files are empty");
  EXPECT_EQ(message("a", 256),
            "vocab_size must be at least 257 (256 bytes and <|endoftext|>), got 256");
}

TEST(BpeTrainer, MinFrequencyEndsTheMerging) {
  BpeTrainerOptions options = quiet(258);
  options.min_frequency = 4;
  EXPECT_THROW(train("ab ab ab", options), DataError);
  options.min_frequency = 3;
  EXPECT_EQ(vocabulary_of(*train("ab ab ab", options)).tokens[257], "ab");
}

}  // namespace
}  // namespace apollo
