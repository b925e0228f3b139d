#include "text/encode_batch.h"

#include <gtest/gtest.h>

#include "text/random_text.h"

namespace apollo {
namespace {

TEST(EncodeBatch, EqualsOneByOneForAnyNumberOfThreads) {
  const auto tokenizer = load_tokenizer("bytes");
  RandomText random(3);
  std::vector<std::string> texts = {"", "<|endoftext|>", std::string(300000, 'x'), ""};
  for (int i = 0; i < 3000; ++i)
    texts.push_back(random.text());
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  for (const bool parse_special : {true, false}) {
    EncodedBatch expected;
    for (const std::string& text : texts) {
      tokenizer->encode(text, expected.ids, parse_special);
      expected.ends.push_back(std::ssize(expected.ids));
    }
    for (const int64_t threads : {0, 1, 2, 7}) {
      const EncodedBatch found = encode_batch(*tokenizer, views, parse_special, threads);
      EXPECT_EQ(found.ids, expected.ids) << threads;
      EXPECT_EQ(found.ends, expected.ends) << threads;
    }
  }
}

TEST(EncodeBatch, OfNothingIsNothing) {
  const EncodedBatch batch = encode_batch(*load_tokenizer("bytes"), {}, true, 2);
  EXPECT_TRUE(batch.ids.empty());
  EXPECT_TRUE(batch.ends.empty());
}

// Throws at one text, as a damaged tokenizer may.
class Picky : public Tokenizer {
 public:
  void encode(std::string_view text, std::vector<TokenId>& ids, bool) const override {
    if (text == "no") throw std::out_of_range("not this one");
    ids.push_back(static_cast<TokenId>(text.size()));
  }
  std::string decode(const std::vector<TokenId>&, bool) const override { return ""; }
  std::string token_text(TokenId) const override { return ""; }
  int64_t vocab_size() const override { return 9; }
  bool is_token(TokenId) const override { return true; }
  bool is_special(TokenId) const override { return false; }
  bool continues_word(TokenId, TokenId) const override { return false; }
  const TokenRoles& roles() const override { return roles_; }
  std::string hash() const override { return ""; }
  void save(const std::filesystem::path&) const override {}

 private:
  TokenRoles roles_;
};

TEST(EncodeBatch, HandsOnWhatAThreadThrows) {
  std::vector<std::string> texts(500, std::string(1000, 'x'));
  texts[400] = "no";
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  EXPECT_THROW(encode_batch(Picky(), views, true, 3), std::out_of_range);
}

}  // namespace
}  // namespace apollo
