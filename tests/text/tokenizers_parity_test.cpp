// Equal results to the packages `tokenizers` and `transformers`, run by the project's venv.
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/file.h"
#include "support/python_original.h"
#include "support/temp_dir.h"
#include "text/bpe_trainer.h"
#include "text/tokenizer.h"
#include "text/tokenizers_original.h"

namespace apollo {
namespace {

using json = nlohmann::json;

class Gpt2 : public ::testing::Test {
 protected:
  void SetUp() override {
    APOLLO_SKIP_WITHOUT_PYTHON();
    APOLLO_SKIP_WITHOUT(folder());
    tokenizer_ = load_tokenizer(folder().string());
  }
  static std::filesystem::path folder() { return example_data() / "tokenizers/gpt2"; }
  static std::filesystem::path original() { return folder() / "tokenizer.json"; }

  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(Gpt2, RandomUnicode) {
  expect_equal(*tokenizer_, original(), random_texts(100000, /*seed=*/11, /*max_parts=*/12));
}

TEST_F(Gpt2, RandomBytes) {
  expect_equal_from_bytes(*tokenizer_, original());
}

TEST_F(Gpt2, RandomUnicodeWithoutSpecials) {
  expect_equal(*tokenizer_, original(), random_texts(2000), /*parse_special=*/false);
}

TEST_F(Gpt2, EveryCodePoint) {
  expect_equal(*tokenizer_, original(), all_code_points({" a", " 1", " !"}));
}

TEST_F(Gpt2, HeldOutTexts) {
  expect_equal(*tokenizer_, original(), held_out_texts());
}

TEST_F(Gpt2, VeryLongWords) {
  RandomText random(14);
  Strings texts;
  for (const size_t length : {49, 1000, 100000}) {
    std::string letters;
    while (letters.size() < length)
      letters += static_cast<char>('a' + random.below(26));
    texts.push_back(letters);
    texts.push_back(std::string(length, 'a'));
    texts.push_back(std::string(length, ' ') + "-");
  }
  expect_equal(*tokenizer_, original(), texts);
}

TEST_F(Gpt2, PrefixSpace) {
  const TempDir dir;
  json tokenizer = json::parse(read_file(original()));
  tokenizer["pre_tokenizer"]["add_prefix_space"] = true;
  write_file_atomic(dir / "tokenizer.json", tokenizer.dump());
  Strings texts = random_texts(1000, /*seed=*/15);
  for (const char* text : {"", " ", "a", " a", "\n", "<|endoftext|>a<|endoftext|>", "\u00a0a"})
    texts.push_back(text);
  const auto ours = load_tokenizer(dir.path().string());
  expect_equal(*ours, dir / "tokenizer.json", texts);
  expect_equal(*ours, dir / "tokenizer.json", texts, /*parse_special=*/false);
}

TEST_F(Gpt2, OriginalFilesAreTheSameTokenizer) {
  const TempDir dir;
  for (const char* name : {"encoder.json", "vocab.bpe"}) {
    std::filesystem::copy_file(folder() / name, dir / name);
  }
  EXPECT_EQ(load_tokenizer(dir.path().string())->hash(), tokenizer_->hash());
}

TEST_F(Gpt2, TransformersLoadsOurCopy) {
  const TempDir dir;
  tokenizer_->save(dir.path());
  expect_equal(*tokenizer_, dir.path(), random_texts(1000));
  EXPECT_EQ(load_tokenizer(dir.path().string())->hash(), tokenizer_->hash());
}

TEST(TokenizersParity, TinyGpt2OfPlainFiles) {
  const auto folder = example_data() / "checkpoints/tiny_gpt2";
  APOLLO_SKIP_WITHOUT_PYTHON();
  APOLLO_SKIP_WITHOUT(folder);
  expect_equal(*load_tokenizer(folder.string()), folder,
               {"hello lower <unk> zz newer", " lowest wider<|endoftext|> low", ""});
}

TEST(TokenizersParity, BytesInTransformers) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  const TempDir dir;
  const auto bytes = load_tokenizer("bytes");
  bytes->save(dir.path());
  expect_equal(*bytes, dir.path(), random_texts(1000));
  // Next to a model's config, as in a checkpoint.
  write_file_atomic(dir / "config.json", R"({"model_type": "gpt2", "vocab_size": 257})");
  expect_equal(*bytes, dir.path(), random_texts(100));
}

// Flags of added tokens, the prefix space and ignore_merges, as `tokenizers` understands them.
TEST(TokenizersParity, AddedTokensAndSettings) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  const TempDir dir;
  const std::string path = (dir / "tokenizer.json").string();
  load_tokenizer("bytes")->save(dir.path());
  json tokenizer = json::parse(read_file(path));
  tokenizer["model"]["vocab"]["\u0120a"] = 257;
  tokenizer["model"]["vocab"]["ab"] = 258;
  tokenizer["model"]["merges"] = {"a b"};
  tokenizer["model"]["ignore_merges"] = true;
  tokenizer["pre_tokenizer"]["add_prefix_space"] = true;
  const auto add = [&](int id, const char* text, bool special, bool lstrip, bool rstrip,
                       bool single_word, bool normalized) {
    tokenizer["added_tokens"].push_back({{"id", id},
                                         {"content", text},
                                         {"special", special},
                                         {"lstrip", lstrip},
                                         {"rstrip", rstrip},
                                         {"single_word", single_word},
                                         {"normalized", normalized}});
  };
  add(259, "<mask>", true, true, false, false, false);
  add(260, "<r>", true, false, true, false, false);
  add(261, "word", false, false, false, true, true);
  add(262, "<mask><r>", false, false, false, false, true);
  add(263, "\u4e2d\u00e9", false, true, true, true, false);
  add(264, " a-", false, false, false, false, false);
  write_file_atomic(path, tokenizer.dump());
  const auto ours = load_tokenizer(path);

  const Strings parts = {
      "<mask>", "<r>",    "word", "\u4e2d\u00e9",  " ",      "\n", "a",     "ab", " a",
      "-",      "\u00e9", "_",    "<|endoftext|>", "\u3000", "1",  "\u0301"};
  RandomText random(13);
  Strings texts;
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (int64_t n = random.below(9); n > 0; --n) {
      text += parts[static_cast<size_t>(random.below(static_cast<int64_t>(parts.size())))];
    }
    texts.push_back(text);
  }
  expect_equal(*ours, path, texts);
  expect_equal(*ours, path, texts, /*parse_special=*/false);
}

TEST(TokenizersParity, TrainsTheSameVocabulary) {
  const auto text_path = example_data() / "corpus/tinyshakespeare.txt";
  APOLLO_SKIP_WITHOUT_PYTHON();
  APOLLO_SKIP_WITHOUT(text_path);
  const TempDir dir;
  const std::string theirs = (dir / "theirs.json").string();
  run_python(kScript, "train '" + text_path.string() + "' 8192 '" + theirs + "'");
  const std::string text = read_file(text_path);
  bool is_read = false;
  BpeTrainerOptions options;
  options.vocab_size = 8192;
  options.show_progress = false;
  const auto ours = train_bpe(
      [&](std::string& piece) {
        piece = text;
        return !std::exchange(is_read, true);
      },
      options);
  EXPECT_EQ(ours->hash(), load_tokenizer(theirs)->hash());
  ours->save(dir.path());
  expect_equal(*ours, dir.path(), random_texts(500));
}

}  // namespace
}  // namespace apollo
