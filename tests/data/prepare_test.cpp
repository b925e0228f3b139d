#include "data/prepare.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <set>

#include "base/hash.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "data/helpers.h"
#include "support/temp_dir.h"
#include "text/byte_level_bpe.h"

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

TextDocuments documents_of(std::vector<std::string> texts) {
  return TextDocuments([texts = std::move(texts), i = size_t{0}](std::string& text) mutable {
    if (i == texts.size()) return false;
    text = texts[i++];
    return true;
  });
}

// Like <|begin_of_text|> of Llama 3. The [CLS] of a masked model is added by its batches.
TEST_F(Prepare, BeginsEveryDocumentWhereTheTokenizerDoes) {
  BpeVocabulary vocabulary = make_bytes_vocabulary();
  vocabulary.added.push_back({.id = 257, .text = "<s>", .special = true});
  vocabulary.around = {{257}, std::nullopt};
  const auto a = write(dir_ / "a.txt", "one\n<|endoftext|>\ntwo");
  const DatasetInfo info = prepare_dataset({a}, ByteLevelBpe(vocabulary), dir_ / "out");
  EXPECT_EQ(tokens_of(dir_ / "out"),
            (std::vector<TokenId>{257, 'o', 'n', 'e', '\n', 256, 257, 't', 'w', 'o', 256}));
  EXPECT_EQ(info.text_bytes, 7);
  vocabulary.around.after = 256;
  prepare_dataset({a}, ByteLevelBpe(vocabulary), dir_ / "masked");
  EXPECT_EQ(tokens_of(dir_ / "masked"),
            (std::vector<TokenId>{'o', 'n', 'e', '\n', 256, 't', 'w', 'o', 256}));
}

TEST_F(Prepare, TakesDocumentsOneByOne) {
  const std::string file = "one\n<|endoftext|>\ntwo\n<|endoftext|>\n" + std::string(200000, 'x');
  prepare_dataset({write(dir_ / "a.txt", file)}, *bytes_, dir_ / "files");
  TextDocuments documents = documents_of({"one\n", "", "two\n", std::string(200000, 'x')});
  const DatasetInfo info = prepare_dataset(documents, *bytes_, dir_ / "documents");
  EXPECT_EQ(tokens_of(dir_ / "documents"), tokens_of(dir_ / "files"));
  EXPECT_EQ(info.num_documents, 3);
  ASSERT_EQ(info.sources.size(), 1u);
  EXPECT_EQ(info.sources[0].name, "documents");
  EXPECT_EQ(info.sources[0].bytes, 200008);
  EXPECT_EQ(info.text_bytes, 200008);

  TextDocuments again = documents_of({"one\n", "two\n", std::string(200000, 'x')});
  prepare_split_datasets(again, *bytes_, 0.1, dir_ / "train", dir_ / "valid");
  // The pieces of the long one have ends of their own, and nothing else is added or lost.
  const auto num_bytes = [&](const char* folder) {
    const auto tokens = tokens_of(dir_ / folder);
    return std::count_if(tokens.begin(), tokens.end(), [](auto token) { return token < 256; });
  };
  EXPECT_EQ(num_bytes("train") + num_bytes("valid"), num_bytes("files"));
  EXPECT_GT(num_bytes("valid"), 0);
}

TEST_F(Prepare, RefusesDocumentsWithoutText) {
  for (const auto& [texts, found] : {std::pair<std::vector<std::string>, std::string>{{}, "none"},
                                     {{"", ""}, "empty ones alone"}}) {
    TextDocuments documents = documents_of(texts);
    EXPECT_EQ(error_text<DataError>([&] { prepare_dataset(documents, *bytes_, dir_ / "out"); }),
              "expected documents with text, found " + found);
    EXPECT_FALSE(std::filesystem::exists(dir_ / "out"));
  }
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

// Every number of a long text is in exactly one of the parts.
TEST_F(Prepare, SplitsLongDocumentsInBlocksThatDoNotOverlap) {
  std::vector<std::filesystem::path> files;
  int64_t num_numbers = 0;
  for (const int64_t numbers : {40000, 4000, 10000}) {
    std::string text;
    for (int64_t i = 0; i < numbers; i++)
      text += fmt::format("{:09}\n", num_numbers++);
    files.push_back(write(dir_ / fmt::format("{}.txt", files.size()), text));
  }
  prepare_split_datasets(files, *bytes_, 0.1, dir_ / "train", dir_ / "valid");
  const std::vector<TokenId> train = tokens_of(dir_ / "train");
  const std::vector<TokenId> valid = tokens_of(dir_ / "valid");
  const auto num_ends = [](const std::vector<TokenId>& ids) {
    return std::count(ids.begin(), ids.end(), kEndOfText);
  };
  const auto text_size = [&](const std::vector<TokenId>& ids) {
    return std::ssize(ids) - num_ends(ids);
  };
  EXPECT_EQ(text_size(train) + text_size(valid), 10 * num_numbers);
  EXPECT_NEAR(static_cast<double>(valid.size()), 54000, 3000);
  std::set<std::string> seen;
  std::vector<int64_t> valid_numbers;
  for (const auto* part : {&train, &valid}) {
    std::string number;
    for (const TokenId id : *part) {
      if (id != '\n' && id != kEndOfText) {
        number += static_cast<char>(id);
        continue;
      }
      if (number.size() == 9) {
        EXPECT_TRUE(seen.insert(number).second) << number;
        if (part == &valid) valid_numbers.push_back(std::stoll(number));
      }
      number.clear();
    }
  }
  EXPECT_GT(std::ssize(seen), num_numbers - 2 * num_ends(valid)) << "but for those that are cut";
  const auto count = [&](int64_t begin, int64_t end) {  // of the share that each file has to give
    return static_cast<double>(std::count_if(valid_numbers.begin(), valid_numbers.end(),
                                             [&](int64_t n) { return n >= begin && n < end; }));
  };
  EXPECT_NEAR(count(0, 40000), 4000, 200);
  EXPECT_NEAR(count(40000, 44000), 400, 200);
  EXPECT_NEAR(count(44000, 54000), 1000, 200);
  const DatasetInfo train_info = TokenDataset::open(dir_ / "train").info();
  const DatasetInfo valid_info = TokenDataset::open(dir_ / "valid").info();
  EXPECT_EQ(train_info.text_bytes, text_size(train));
  EXPECT_EQ(valid_info.text_bytes, text_size(valid));
  EXPECT_EQ(train_info.num_documents, num_ends(train));
  EXPECT_EQ(valid_info.num_documents, num_ends(valid));
  EXPECT_EQ(valid_info.content_hash, hash_file(dir_ / "valid" / "tokens.bin"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "train" / "scratch"));
}

// Documents stay whole, whether all of them wait for the size of a block or not.
TEST_F(Prepare, SplitsManySmallDocumentsWhole) {
  for (const int num_documents : {300, 20000}) {
    std::string text;
    for (int i = 0; i < num_documents; i++)
      text += "document " + std::to_string(i) + "\n<|endoftext|>\n";
    const auto path = write(dir_ / "a.txt", text);
    prepare_split_datasets({path}, *bytes_, 0.1, dir_ / "train", dir_ / "valid");
    std::set<std::string> seen;
    int64_t num_valid = 0;
    for (const std::string name : {"train", "valid"}) {
      std::string document;
      for (const TokenId id : tokens_of(dir_ / name)) {
        if (id != kEndOfText) {
          document += static_cast<char>(id);
          continue;
        }
        EXPECT_TRUE(document.starts_with("document ") && document.ends_with("\n")) << document;
        EXPECT_TRUE(seen.insert(document).second) << document;
        num_valid += name == "valid" ? 1 : 0;
        document.clear();
      }
      EXPECT_EQ(document, "");
    }
    EXPECT_EQ(std::ssize(seen), num_documents);
    EXPECT_NEAR(static_cast<double>(num_valid), 0.1 * num_documents, 0.03 * num_documents);
    EXPECT_EQ(TokenDataset::open(dir_ / "valid").info().num_documents, num_valid);
  }
}

// Returns what `action` writes to the log.
template <class Action>
std::string log_of(Action&& action) {
  set_log_level(LogLevel::kInfo);
  testing::internal::CaptureStderr();
  action();
  set_log_level(LogLevel::kQuiet);
  return testing::internal::GetCapturedStderr();
}

TEST_F(Prepare, SaysWhereValidationCameFrom) {
  const auto a = write(dir_ / "a.txt", std::string(60000, 'a'));
  const auto b = write(dir_ / "b.txt", std::string(60000, 'b'));
  const std::string said = log_of([&] {
    prepare_split_datasets({a, b}, *bytes_, 0.1, dir_ / "train", dir_ / "valid");
  });
  EXPECT_NE(said.find("validation: 120"), std::string::npos) << said;
  EXPECT_NE(said.find("in blocks from 2 of 2 files: a.txt 6"), std::string::npos) << said;
}

TEST_F(Prepare, SaysWhereNothingSeparatesDocuments) {
  const auto path = write(dir_ / "a.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n");
  BpeVocabulary vocabulary = make_bytes_vocabulary();
  vocabulary.tokens.pop_back();
  vocabulary.added.clear();
  vocabulary.roles = {};
  const ByteLevelBpe without(vocabulary);
  const auto is_said = [&](const Tokenizer& tokenizer) {
    return log_of([&] {
             prepare_dataset({path}, tokenizer, dir_ / "out");
           }).find("nothing separates the 2 documents: the tokenizer names no end of text") !=
           std::string::npos;
  };
  EXPECT_TRUE(is_said(without));
  EXPECT_FALSE(is_said(*bytes_));
}

TEST_F(Prepare, CountsSeparatorsInsideOfText) {
  const auto path =
      write(dir_ / "a.txt", "one\n<|endoftext|>\ntwo<|endoftext|>three\n <|endoftext|>\n");
  const std::string said = log_of([&] { prepare_dataset({path}, *bytes_, dir_ / "out"); });
  EXPECT_NE(said.find("'<|endoftext|>' stands 2 times inside of a document's text, first in " +
                      path.string() + ":3, and is ordinary text there"),
            std::string::npos)
      << said;
}

TEST_F(Prepare, RefusesEmptyParts) {
  const auto path = write(dir_ / "a.txt", "abcdefghi");
  const auto split = [&](double fraction) {
    return error_text<DataError>(
        [&] { prepare_split_datasets({path}, *bytes_, fraction, dir_ / "train", dir_ / "valid"); });
  };
  EXPECT_EQ(split(0.01),
            "a validation share of 0.01 leaves no validation text: 10 tokens in all (hint: "
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
