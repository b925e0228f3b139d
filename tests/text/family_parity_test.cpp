// The tokenizers of Llama 3, Qwen and ModernBERT give the same ids as the packages `tokenizers` and
// `transformers`, for folders as the families publish them and for those trained here.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/file.h"
#include "support/python_original.h"
#include "support/temp_dir.h"
#include "text/bpe_trainer.h"
#include "text/byte_level_bpe.h"
#include "text/tokenizer.h"
#include "text/tokenizers_original.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// Text in several scripts, from which the families' merges are trained.
std::string training_text() {
  std::string text;
  for (const std::string& random : random_texts(4000, /*seed=*/21))
    text += random;
  for (const char* page : {"README.md", "docs/formats.md", "docs/how-a-run-works.md", "LICENSE"})
    text += read_file(fs::path(APOLLO_SOURCE_DIR) / page);
  const fs::path shakespeare = example_data() / "corpus/tinyshakespeare.txt";
  if (fs::exists(shakespeare)) text += read_file(shakespeare);
  // For our trainer it ends a text; for theirs it is part of one.
  for (size_t at = text.find(kEndOfText); at != std::string::npos; at = text.find(kEndOfText, at))
    text.erase(at, kEndOfText.size());
  return text;
}

// Created once per family.
const fs::path& family_folder(const std::string& family) {
  static const TempDir dir;
  static std::map<std::string, fs::path> made;
  fs::path& folder = made[family];
  if (!folder.empty()) return folder;
  write_file_atomic(dir / "text", training_text());
  run_python("tests/text/family_tokenizers.py",
             family + " '" + (dir / "text").string() + "' '" + (dir / family).string() + "'");
  return folder = dir / family;
}

class Family : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    APOLLO_SKIP_WITHOUT_PYTHON();
    tokenizer_ = load_tokenizer(folder().string());
  }
  fs::path folder() const { return family_folder(GetParam()); }
  fs::path original() const { return folder() / "tokenizer.json"; }

  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(Family, RandomUnicode) {
  const Strings texts = random_texts(10000, /*seed=*/31);
  expect_equal(*tokenizer_, original(), texts, /*parse_special=*/true, "--bare");
  expect_equal(*tokenizer_, original(), texts, /*parse_special=*/false, "--bare");
}

TEST_P(Family, RandomBytes) {
  expect_equal_from_bytes(*tokenizer_, original(), "--bare");
}

TEST_P(Family, EveryCodePoint) {
  const Strings texts = all_code_points({" a", " 1", "'", "\n!"});
  expect_equal(*tokenizer_, original(), texts, /*parse_special=*/true, "--bare");
}

TEST_P(Family, AddedTokensInRandomText) {
  const Strings parts = {"<|begin_of_text|>",
                         "<|im_end|>",
                         "<tool_call>",
                         "[MASK]",
                         "[CLS]",
                         "|||IP_ADDRESS|||",
                         "[unused0]",
                         "  ",
                         "    ",
                         " ",
                         "\n",
                         "a",
                         "\u0301",
                         "\u1161",
                         "\u1100",
                         "B",
                         "12345",
                         "'S",
                         ".",
                         "\u212b"};
  RandomText random(33);
  Strings texts;
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (int64_t n = random.below(9); n > 0; --n)
      text += parts[static_cast<size_t>(random.below(std::ssize(parts)))];
    texts.push_back(text);
  }
  expect_equal(*tokenizer_, original(), texts, /*parse_special=*/true, "--bare");
  expect_equal(*tokenizer_, original(), texts, /*parse_special=*/false, "--bare");
}

TEST_P(Family, HeldOutTexts) {
  APOLLO_SKIP_WITHOUT(example_data() / "corpus/mix-medium.valid.txt.xz");
  const Strings texts = corpus_texts("mix-medium.valid.txt.xz", std::string::npos);
  expect_equal(*tokenizer_, original(), texts, /*parse_special=*/true, "--bare");
}

TEST_P(Family, VeryLongWords) {
  Strings texts;
  for (const size_t length : {49, 1000, 100000}) {
    texts.push_back(std::string(length, 'a'));
    texts.push_back(std::string(length, '7'));
    texts.push_back(std::string(length, ' ') + "-");
    texts.push_back(std::string(length, '\n') + "-");
  }
  expect_equal(*tokenizer_, original(), texts, /*parse_special=*/true, "--bare");
}

// `transformers` puts the family's tokens around a text, with our files as with the family's.
TEST_P(Family, TransformersLoadsOurCopy) {
  const TempDir dir;
  tokenizer_->save(dir.path());
  EXPECT_EQ(load_tokenizer(dir.path().string())->hash(), tokenizer_->hash());
  const Strings texts = random_texts(1000, /*seed=*/32);
  expect_equal(*tokenizer_, dir.path(), texts, /*parse_special=*/true, "--auto --bare");
  EXPECT_EQ(run_original(dir.path(), texts, "--auto"), run_original(folder(), texts, "--auto"));
  // Next to a model's config, as in a checkpoint.
  const std::string type = GetParam() == "qwen"     ? "qwen3"
                           : GetParam() == "llama3" ? "llama"
                                                    : GetParam();
  write_file_atomic(dir / "config.json", "{\"model_type\": \"" + type + "\"}");
  EXPECT_EQ(run_original(dir.path(), texts, "--auto"), run_original(folder(), texts, "--auto"));
}

TEST_P(Family, PiecesOfADocumentGiveItsIds) {
  RandomText random(34);
  int num_cuts = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random.text();
    std::vector<TokenId> whole;
    tokenizer_->encode_piece(text, /*begins_document=*/true, whole);
    for (size_t place = 1; place < text.size(); ++place) {
      const bool is_boundary = (text[place] == ' ' || text[place] == '\n') &&
                               text.find_last_of(" \t\r\n", place - 1) != place - 1 &&
                               static_cast<unsigned char>(text[place - 1]) < 0x80;
      if (!is_boundary || !tokenizer_->may_cut(text, place)) continue;
      std::vector<TokenId> ids;
      tokenizer_->encode_piece(text.substr(0, place), /*begins_document=*/true, ids);
      tokenizer_->encode_piece(text.substr(place), /*begins_document=*/false, ids);
      ASSERT_EQ(ids, whole) << nlohmann::json(text) << " at " << place;
      ++num_cuts;
    }
  }
  EXPECT_GT(num_cuts, 500);
}

INSTANTIATE_TEST_SUITE_P(Families, Family, ::testing::Values("llama3", "qwen", "modernbert"),
                         [](const auto& info) { return info.param; });

struct Trained {
  const char* name;
  PreTokenizer pre_tokenizer;
  bool masked;
};

class TrainedFamily : public ::testing::TestWithParam<Trained> {};

TEST_P(TrainedFamily, EqualsTheOriginalsTraining) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  const TempDir dir;
  const std::string text = training_text();
  write_file_atomic(dir / "text", text);
  const std::string theirs = (dir / "theirs.json").string();
  run_python(kScript, "train '" + (dir / "text").string() + "' 2000 '" + theirs + "' --" +
                          std::string(enum_name(GetParam().pre_tokenizer)) +
                          (GetParam().masked ? " --masked" : ""));
  BpeTrainerOptions options;
  options.vocab_size = 2000;
  options.show_progress = false;
  options.pre_tokenizer = GetParam().pre_tokenizer;
  options.masked = GetParam().masked;
  bool is_read = false;
  const auto ours = train_bpe(
      [&](std::string& piece) {
        piece = text;
        return !std::exchange(is_read, true);
      },
      options);
  ours->save(dir.path());
  EXPECT_EQ(load_tokenizer(dir.path().string())->hash(), ours->hash());
  const Strings texts = random_texts(3000, /*seed=*/35);
  expect_equal(*ours, theirs, texts, /*parse_special=*/true, "--bare");
  expect_equal(*ours, dir.path(), texts, /*parse_special=*/true, "--auto --bare");
}

INSTANTIATE_TEST_SUITE_P(Kinds, TrainedFamily,
                         ::testing::Values(Trained{"gpt2", PreTokenizer::kGpt2, false},
                                           Trained{"llama3", PreTokenizer::kLlama3, false},
                                           Trained{"qwen", PreTokenizer::kQwen, false},
                                           Trained{"modernbert", PreTokenizer::kGpt2, true}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace apollo
