#include "data/prepare.h"

#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/stop_signal.h"
#include "data/helpers.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

constexpr TokenId kEndOfText = 256;

std::vector<TokenId> ids_of(const std::string& text) {
  std::vector<TokenId> ids;
  for (const char c : text)
    ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

std::vector<TokenId> tokens_of(const std::filesystem::path& path) {
  const TokenDataset dataset = TokenDataset::open(path);
  std::vector<int64_t> wide(static_cast<size_t>(dataset.size()));
  dataset.copy(0, wide);
  return {wide.begin(), wide.end()};
}

class Prepare : public ::testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kQuiet); }

  TempDir dir_;
  std::unique_ptr<Tokenizer> bytes_ = load_tokenizer("bytes");
};

TEST_F(Prepare, EndsEveryDocument) {
  const auto a = write(dir_ / "a.txt", "one\n<|endoftext|>\ntwo");
  const auto b = write(dir_ / "b.jsonl", "{\"text\": \"x<|endoftext|>\"}\n{\"text\": \"y\xFF\"}\n");
  const DatasetInfo info = prepare_dataset({a, b}, *bytes_, dir_ / "out/");
  std::vector<TokenId> expected;
  for (const std::string text : {"one\n", "two", "x<|endoftext|>", "y\xEF\xBF\xBD"}) {
    const std::vector<TokenId> ids = ids_of(text);
    expected.insert(expected.end(), ids.begin(), ids.end());
    expected.push_back(kEndOfText);
  }
  EXPECT_EQ(tokens_of(dir_ / "out"), expected);
  const DatasetInfo read = TokenDataset::open(dir_ / "out").info();
  for (const DatasetInfo& found : {info, read}) {
    EXPECT_EQ(found.num_documents, 4);
    EXPECT_EQ(found.num_tokens, static_cast<int64_t>(expected.size()));
    EXPECT_EQ(found.text_bytes, static_cast<int64_t>(expected.size()) - 4);
    EXPECT_EQ(found.vocab_size, 257);
    EXPECT_EQ(found.bytes_per_token, 2);
    EXPECT_EQ(found.tokenizer_hash, bytes_->hash());
    EXPECT_EQ(found.invalid_sequences, 1);
    ASSERT_EQ(found.sources.size(), 2u);
    EXPECT_EQ(found.sources[0].name, a.string());
    EXPECT_EQ(found.sources[1].bytes, static_cast<int64_t>(std::filesystem::file_size(b)));
    EXPECT_EQ(found.sources[1].hash, hash_file(b));
  }
  TokenDataset::open(dir_ / "out").verify();
}

TEST_F(Prepare, GivesTheSameForAnyThreadsAndCompression) {
  std::mt19937_64 random(1);
  std::string text;
  std::string lines;
  for (int i = 0; i < 40; i++) {
    const std::string document = "x" + random_text(random, i % 10 == 0 ? 200000 : 3000) + "\n";
    text += document + "<|endoftext|>\n";
    lines += nlohmann::json({{"text", document}}).dump() + "\n";
  }
  std::string expected;
  for (const std::string suffix : {"", ".gz", ".xz", ".zst"}) {
    for (const int64_t num_threads : {1, 2, 5}) {
      for (const auto& [name, content] : {std::pair<std::string, std::string>{"a.txt", text},
                                          std::pair<std::string, std::string>{"a.jsonl", lines}}) {
        if (name == "a.jsonl" && num_threads != 2) continue;
        const auto path = write(dir_ / (name + suffix), compress(content, suffix));
        const DatasetInfo info =
            prepare_dataset({path, path}, *bytes_, dir_ / "out", {.num_threads = num_threads});
        EXPECT_EQ(info.num_documents, 80);
        if (expected.empty()) expected = info.content_hash;
        EXPECT_EQ(info.content_hash, expected) << name << suffix << ", threads " << num_threads;
        EXPECT_EQ(hash_file(dir_ / "out" / "tokens.bin"), expected);
      }
    }
  }
}

TEST_F(Prepare, SplitsTheTailOfFewDocuments) {
  const std::string first(600, 'a');
  const std::string second(398, 'b');
  const auto path = write(dir_ / "a.txt", first + "\n<|endoftext|>\n" + second + "\xFF");
  prepare_split_datasets({path}, *bytes_, 0.1, dir_ / "train", dir_ / "valid");
  std::vector<TokenId> train = tokens_of(dir_ / "train");
  const std::vector<TokenId> valid = tokens_of(dir_ / "valid");
  // 601 + 1 and 398 + 3 + 1 tokens; round(100.4) of them at the end.
  EXPECT_EQ(train.size(), 904u);
  EXPECT_EQ(valid.size(), 100u);
  std::vector<TokenId> expected = ids_of(first + "\n");
  expected.push_back(kEndOfText);
  for (const TokenId id : ids_of(second + "\xEF\xBF\xBD"))
    expected.push_back(id);
  expected.push_back(kEndOfText);
  train.insert(train.end(), valid.begin(), valid.end());
  EXPECT_EQ(train, expected);
  const DatasetInfo train_info = TokenDataset::open(dir_ / "train").info();
  const DatasetInfo valid_info = TokenDataset::open(dir_ / "valid").info();
  EXPECT_EQ(train_info.num_documents, 2);
  EXPECT_EQ(valid_info.num_documents, 1);
  EXPECT_EQ(train_info.text_bytes, 903);
  EXPECT_EQ(valid_info.text_bytes, 99);
  EXPECT_EQ(train_info.invalid_sequences, 1);
  EXPECT_EQ(valid_info.invalid_sequences, 0);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "train" / "scratch"));
}

TEST_F(Prepare, SplitsManyDocumentsByTheirNumber) {
  for (const int num_documents : {99, 100, 101, 1000}) {
    std::string text;
    std::vector<TokenId> train;
    std::vector<TokenId> valid;
    int64_t num_valid = 0;
    for (int i = 0; i < num_documents; i++) {
      const std::string document = "document " + std::to_string(i) + "\n";
      text += document + "<|endoftext|>\n";
      const bool is_valid = random_uniform(0, RngStream::kSplit, static_cast<uint64_t>(i)) < 0.1;
      num_valid += is_valid ? 1 : 0;
      auto& part = is_valid ? valid : train;
      for (const TokenId id : ids_of(document))
        part.push_back(id);
      part.push_back(kEndOfText);
    }
    const auto path = write(dir_ / "a.txt", text);
    prepare_split_datasets({path}, *bytes_, 0.1, dir_ / "train", dir_ / "valid");
    if (num_documents < 100) {
      EXPECT_NE(tokens_of(dir_ / "valid"), valid);
      continue;
    }
    EXPECT_EQ(tokens_of(dir_ / "train"), train);
    EXPECT_EQ(tokens_of(dir_ / "valid"), valid);
    const DatasetInfo info = TokenDataset::open(dir_ / "valid").info();
    EXPECT_EQ(info.num_documents, num_valid);
    EXPECT_EQ(info.text_bytes, static_cast<int64_t>(valid.size()) - num_valid);
    EXPECT_EQ(info.content_hash, hash_file(dir_ / "valid" / "tokens.bin"));
  }
}

TEST_F(Prepare, RefusesEmptyParts) {
  const auto path = write(dir_ / "a.txt", "abcdefghi");
  const auto split = [&](double fraction) {
    return error_text<DataError>(
        [&] { prepare_split_datasets({path}, *bytes_, fraction, dir_ / "train", dir_ / "valid"); });
  };
  EXPECT_EQ(split(0.01),
            "a validation share of 0.01 leaves no validation text: 10 tokens in 1 documents (hint: "
            "another data.valid_fraction, or files of their own in data.valid)");
  EXPECT_EQ(split(0.99),
            "a validation share of 0.99 leaves no training text: 10 tokens in 1 documents (hint: "
            "another data.valid_fraction, or files of their own in data.valid)");
  EXPECT_EQ(split(1.0), "validation share: expected more than 0 and less than 1, found 1");
  EXPECT_FALSE(std::filesystem::exists(dir_ / "train"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "valid"));
  EXPECT_EQ(error_text<DataError>(
                [&] { prepare_split_datasets({path}, *bytes_, 0.5, dir_ / "x", dir_ / "x/"); }),
            (dir_ / "x").string() + ": named both for training and for validation");
}

TEST_F(Prepare, LeavesNothingBehindAfterAnError) {
  const auto good = write(dir_ / "a.txt", "fine\n");
  const auto bad = write(dir_ / "b.jsonl", "{\"text\": \"fine\"}\n{\"text\": 3}\n");
  EXPECT_EQ(error_text<DataError>([&] {
              prepare_dataset({good, bad}, *bytes_, dir_ / "new" / "out");
            }),
            bad.string() + ":2: field 'text': expected a string, found number");
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "new"));
}

TEST_F(Prepare, ReplacesDatasetsOnly) {
  const auto text = write(dir_ / "a.txt", "first\n");
  prepare_dataset({text}, *bytes_, dir_ / "out");
  write(text, "second\n");
  prepare_dataset({text}, *bytes_, dir_ / "out");
  EXPECT_EQ(tokens_of(dir_ / "out").size(), 8u);
  write(dir_ / "home" / "thesis.tex", "years of work");
  EXPECT_EQ(error_text<DataError>([&] { prepare_dataset({text}, *bytes_, dir_ / "home"); }),
            (dir_ / "home").string() +
                ": exists and is no dataset; it would be replaced (hint: "
                "name another folder, or remove it)");
  EXPECT_TRUE(std::filesystem::exists(dir_ / "home" / "thesis.tex"));
}

TEST_F(Prepare, StopsOnASignalAndLeavesNothing) {
  const auto text = write(dir_ / "a.txt", std::string(1 << 20, 'a'));
  EXPECT_EXIT(
      {
        install_stop_handlers();
        std::raise(SIGTERM);
        try {
          prepare_dataset({text}, *bytes_, dir_ / "new" / "out");
        } catch (const Interrupted& stop) {
          std::exit(stop.signal() == SIGTERM && std::filesystem::is_empty(dir_ / "new") ? 7 : 1);
        }
        std::exit(2);
      },
      ::testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace apollo
