// WordPiece's equality with the packages `tokenizers` and `transformers`, run by the project's
// venv.
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "support/python_original.h"
#include "support/temp_dir.h"
#include "text/tokenizer.h"
#include "text/tokenizers_original.h"
#include "text/wordpiece.h"

namespace apollo {
namespace {

using json = nlohmann::json;

std::filesystem::path bert_vocab() {
  return example_data() / "tokenizers/bert-base-uncased/vocab.txt";
}

// BERT's vocabulary read by us from vocab.txt and tokenizer_config.json, and by `tokenizers`. The
// parameter: cased.
class Bert : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    APOLLO_SKIP_WITHOUT_PYTHON();
    APOLLO_SKIP_WITHOUT(bert_vocab());
    std::filesystem::copy_file(bert_vocab(), dir_ / "vocab.txt");
    const json config = {{"do_lower_case", !GetParam()}};
    write_file_atomic(dir_ / "tokenizer_config.json", config.dump());
    tokenizer_ = load_tokenizer(dir_.path().string());
    const std::string flags = GetParam() ? "' --cased" : "'";
    run_python(kScript, "bert '" + bert_vocab().string() + "' '" + original().string() + flags);
  }
  std::filesystem::path original() const { return dir_ / "original.json"; }
  const WordPiece& wordpiece() const { return dynamic_cast<const WordPiece&>(*tokenizer_); }
  void expect_equal_ids(const Strings& texts, bool parse_special = true) {
    expect_equal(*tokenizer_, original(), texts, parse_special, "--bare");
  }

  TempDir dir_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(Bert, RandomUnicode) {
  expect_equal_ids(random_texts(12000, /*seed=*/21));
}

TEST_P(Bert, SpelledOutSpecials) {
  const Strings parts = {"[CLS]", "[SEP]", "[MASK]", "[mask]", "[UNK]", " ", "a", "\u00e9", "##a"};
  RandomText random(22);
  Strings texts;
  for (int i = 0; i < 500; ++i) {
    std::string text;
    for (int64_t n = random.below(7); n > 0; --n)
      text += parts[static_cast<size_t>(random.below(static_cast<int64_t>(parts.size())))];
    texts.push_back(text);
  }
  expect_equal_ids(texts);
  expect_equal_ids(texts, /*parse_special=*/false);
}

TEST_P(Bert, EveryCodePoint) {
  expect_equal_ids(all_code_points({"a"}));
}

TEST_P(Bert, WikiText2AndMixMedium) {
  Strings texts = corpus_texts("wikitext-2.test.txt.xz", 1 << 19);
  for (std::string& text : corpus_texts("mix-medium.valid.txt.xz", 1 << 19))
    texts.push_back(std::move(text));
  expect_equal_ids(texts);
}

TEST_P(Bert, TransformersLoadsOurCopyAndPairsAgree) {
  const TempDir dir;
  tokenizer_->save(dir.path());
  EXPECT_EQ(read_file(dir / "vocab.txt"), read_file(bert_vocab()));
  EXPECT_EQ(load_tokenizer(dir.path().string())->hash(), tokenizer_->hash());
  EXPECT_EQ(load_tokenizer(original().string())->hash(), tokenizer_->hash());
  const Strings texts = random_texts(300, /*seed=*/23);
  expect_equal(*tokenizer_, dir.path(), texts, /*parse_special=*/true, "--bare");

  write_file_atomic(dir / "texts", json(texts).dump());
  run_python(kScript, "pairs '" + (dir / "tokenizer.json").string() + "' '" +
                          (dir / "texts").string() + "' '" + (dir / "out").string() + "'");
  const json theirs = json::parse(read_file(dir / "out"));
  for (size_t i = 0; i + 1 < texts.size() * 2; ++i) {
    std::vector<TokenId> ids;
    std::vector<int32_t> segments;
    if (i < texts.size()) {
      wordpiece().encode_pair(texts[i], std::nullopt, ids, segments);
    } else {
      const size_t a = i - texts.size();
      wordpiece().encode_pair(texts[a], texts[a + 1], ids, segments);
    }
    ASSERT_EQ(json(ids), theirs["ids"][i]) << i;
    ASSERT_EQ(json(segments), theirs["segment_ids"][i]) << i;
  }
}

// Added tokens with all flags, found in the text as it stands or as it is normalised.
TEST_P(Bert, AddedTokens) {
  tokenizer_->save(dir_.path());
  const std::string path = (dir_ / "tokenizer.json").string();
  json file = json::parse(read_file(path));
  int id = 30522;
  const auto add = [&](const char* text, bool special, bool lstrip, bool rstrip, bool single_word,
                       bool normalized) {
    file["added_tokens"].push_back({{"id", id++},
                                    {"content", text},
                                    {"special", special},
                                    {"lstrip", lstrip},
                                    {"rstrip", rstrip},
                                    {"single_word", single_word},
                                    {"normalized", normalized}});
  };
  add("NaCl", false, false, false, false, true);
  add("<E1>", true, true, true, false, false);
  add("caf\u00e9", false, false, true, true, true);
  add("\u4e2dx", false, true, false, false, true);
  write_file_atomic(path, file.dump());
  const auto ours = load_tokenizer(path);

  const Strings parts = {"NaCl", "nacl", "<E1>", "<e1>",     "caf\u00e9", "Cafe",   "\u4e2dx",
                         " ",    "\t",   "a",    "\u4e2d x", "-",         "\u0301", "x\x01"};
  RandomText random(24);
  Strings texts;
  for (int i = 0; i < 1000; ++i) {
    std::string text;
    for (int64_t n = random.below(8); n > 0; --n)
      text += parts[static_cast<size_t>(random.below(static_cast<int64_t>(parts.size())))];
    texts.push_back(text);
  }
  expect_equal(*ours, path, texts, /*parse_special=*/true, "--bare");
  expect_equal(*ours, path, texts, /*parse_special=*/false, "--bare");
}

INSTANTIATE_TEST_SUITE_P(WordPieceParity, Bert, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Cased" : "Uncased"; });

}  // namespace
}  // namespace apollo
