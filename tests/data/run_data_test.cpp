#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "data/helpers.h"
#include "data/prepare.h"
#include "data/token_writer.h"
#include "support/temp_dir.h"
#include "text/byte_level_bpe.h"
#include "text/wordpiece.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

class RunDataTest : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::kQuiet);
    config_.data.cache = "cache";
    config_.data.train = {"text/*.txt"};
    config_.model.context = 8;
    write(dir_ / "text" / "b.txt", "second file, second file\n");
    write(dir_ / "text" / "a.txt", "first file, first file\n");
    write(dir_ / "valid.txt", "validation text\n");
  }

  RunData open() { return open_run_data(config_, dir_.path()); }
  template <class E = DataError>
  std::string error() {
    return error_text<E>([&] { open(); });
  }
  std::string at(const std::string& name) { return (dir_ / name).string(); }

  // Returns every file of the cache except locks and file hashes, with the time it was written.
  std::vector<std::pair<std::string, fs::file_time_type>> cache_files() {
    std::vector<std::pair<std::string, fs::file_time_type>> files;
    for (const auto& entry : fs::recursive_directory_iterator(dir_ / "cache")) {
      if (!entry.is_regular_file() || entry.path().extension() == ".lock" ||
          entry.path().parent_path().filename() == "hashes") {
        continue;
      }
      files.emplace_back(entry.path().string(), entry.last_write_time());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  std::string decode(const RunData& data, const TokenDataset& dataset) {
    std::vector<int64_t> wide(static_cast<size_t>(dataset.size()));
    dataset.copy(0, wide);
    return data.tokenizer->decode({wide.begin(), wide.end()}, /*skip_special=*/true);
  }

  TempDir dir_;
  RunConfig config_;
};

TEST_F(RunDataTest, PreparesTextSortedByName) {
  const RunData data = open();
  EXPECT_EQ(decode(data, *data.train), "first file, first file\nsecond file, second file\n");
  EXPECT_EQ(data.train->info().num_documents, 2);
  EXPECT_EQ(data.valid, nullptr);
  EXPECT_EQ(data.vocab_size, 257);
}

TEST_F(RunDataTest, TakesEachFileOnce) {
  config_.data.train = {"text/b.txt", "text/*.txt"};
  const RunData data = open();
  EXPECT_EQ(decode(data, *data.train), "second file, second file\nfirst file, first file\n");
}

TEST_F(RunDataTest, TakesNamesThatLookLikePatterns) {
  write(dir_ / "od[d" / "x[1].txt", "an odd name\n");
  write(dir_ / "od[d" / "y.txt", "a plain name\n");
  config_.data.train = {"x[1].txt"};
  RunData data = open_run_data(config_, dir_ / "od[d");
  EXPECT_EQ(decode(data, *data.train), "an odd name\n");
  config_.data.train = {"?.txt"};
  data = open_run_data(config_, dir_ / "od[d");
  EXPECT_EQ(decode(data, *data.train), "a plain name\n");
}

TEST_F(RunDataTest, ReusesWhatItPrepared) {
  config_.data.valid = {"valid.txt"};
  open();
  const auto before = cache_files();
  EXPECT_EQ(before.size(), 4u);
  open();
  EXPECT_EQ(cache_files(), before);
  write(dir_ / "text" / "a.txt", "other text, longer than it was\n");
  const RunData data = open();
  EXPECT_TRUE(decode(data, *data.train).starts_with("other text"));
  EXPECT_EQ(cache_files().size(), 6u);
}

TEST_F(RunDataTest, NoticesANewTimeOfTheSameSize) {
  open();
  write(dir_ / "text" / "a.txt", "FIRST file, first file\n");
  fs::last_write_time(dir_ / "text" / "a.txt",
                      fs::last_write_time(dir_ / "text" / "a.txt") + std::chrono::seconds(2));
  const RunData data = open();
  EXPECT_TRUE(decode(data, *data.train).starts_with("FIRST file"));
}

TEST_F(RunDataTest, NoticesOtherTextOfTheSameSizeAndTime) {
  open();
  const auto time = fs::last_write_time(dir_ / "text" / "a.txt");
  write(dir_ / "text" / "a.txt", "FIRST file, first file\n");
  fs::last_write_time(dir_ / "text" / "a.txt", time);
  const RunData data = open();
  EXPECT_TRUE(decode(data, *data.train).starts_with("FIRST file"));
}

TEST_F(RunDataTest, PreparesAgainWhatWasReplacedInTheCache) {
  open();
  for (const auto& [name, time] : cache_files()) {
    if (!name.ends_with("tokens.bin")) continue;
    std::string tokens = read_file(name);
    tokens[20] ^= 1;
    write(name, tokens);
  }
  const RunData data = open();
  EXPECT_EQ(decode(data, *data.train), "first file, first file\nsecond file, second file\n");
}

TEST_F(RunDataTest, RefusesACacheThatOthersMayWrite) {
  open();
  fs::permissions(dir_ / "cache" / "datasets", fs::perms::others_write, fs::perm_options::add);
  EXPECT_EQ(error<Error>(), at("cache/datasets") +
                                ": other users may write to this folder, so what it holds cannot "
                                "be trusted (hint: chmod go-w, or another folder)");
}

TEST_F(RunDataTest, ALockThatIsALinkIsLeftAlone) {
  open();
  fs::path lock;
  for (const auto& entry : fs::recursive_directory_iterator(dir_ / "cache")) {
    if (entry.path().extension() == ".lock") lock = entry.path();
  }
  for (const auto& [name, time] : cache_files())
    fs::remove(name);
  write(dir_ / "precious", "keep");
  fs::remove(lock);
  fs::create_symlink(dir_ / "precious", lock);
  EXPECT_EQ(error<Error>(),
            lock.string() + ": expected a lock file, found a symbolic link (hint: remove it)");
  EXPECT_EQ(read_file(dir_ / "precious"), "keep");
}

TEST_F(RunDataTest, AFolderMeansItsTextAndStarsAnyDepth) {
  write(dir_ / "text" / "deep" / "er" / "c.TXT", "third\n");
  write(dir_ / "text" / "deep" / "d.txt", "fourth\n");
  write(dir_ / "text" / ".hidden.txt", "no");
  write(dir_ / "text" / "picture.PDF", "no");
  config_.data.train = {"text"};
  RunData data = open();
  EXPECT_EQ(decode(data, *data.train),
            "first file, first file\nsecond file, second file\nfourth\nthird\n");
  config_.data.train = {"te*t/**/*.txt"};
  data = open();
  EXPECT_EQ(decode(data, *data.train),
            "first file, first file\nsecond file, second file\nfourth\n");
  config_.data.train = {"text/**/none*"};
  EXPECT_EQ(error(), "data.train: no file matches 'text/**/none*' (looked in '" +
                         dir_.path().string() + "')");
}

TEST_F(RunDataTest, AnEmptyFileAmongOthersIsPassedOver) {
  write(dir_ / "text" / "empty.txt", "");
  write(dir_ / "text" / "separator.txt", "<|endoftext|>\n");
  const RunData data = open();
  EXPECT_EQ(data.train->info().num_documents, 2);
}

TEST_F(RunDataTest, TakesTheTextFieldThatTheConfigNames) {
  write(dir_ / "rows.jsonl", "{\"content\": \"a document of its own\", \"text\": \"x\"}\n");
  config_.data.train = {"rows.jsonl"};
  config_.data.text_field = "content";
  const RunData data = open();
  EXPECT_EQ(decode(data, *data.train), "a document of its own");
}

TEST_F(RunDataTest, PreparesAgainWhatIsDamagedInTheCache) {
  open();
  for (const auto& [name, time] : cache_files()) {
    if (name.ends_with("tokens.bin")) write(name, "x");
  }
  const RunData data = open();
  EXPECT_EQ(decode(data, *data.train), "first file, first file\nsecond file, second file\n");
}

TEST_F(RunDataTest, PreparesOnceForTwoProcesses) {
  write(dir_ / "text" / "long.txt", std::string(8 << 20, 'a'));
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      open();
      ::_exit(0);
    } catch (...) {
      ::_exit(1);
    }
  }
  const RunData data = open();
  int status = 1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(data.train->size(), (8 << 20) + 23 + 25 + 3);
  EXPECT_EQ(cache_files().size(), 2u);
}

TEST_F(RunDataTest, SplitsTrainingText) {
  config_.data.valid_fraction = 0.3;
  const RunData data = open();
  ASSERT_NE(data.valid, nullptr);
  EXPECT_GE(data.valid->size(), 15);  // a block, and the end of a document that it cuts
  EXPECT_LE(data.valid->size(), 17);
  EXPECT_EQ(data.train->info().text_bytes + data.valid->info().text_bytes, 48);
  const auto before = cache_files();
  open();
  EXPECT_EQ(cache_files(), before);
}

TEST_F(RunDataTest, TrainsATokenizerOnce) {
  std::string text;
  for (int i = 0; i < 50; i++)
    text += "the cat sat on the mat\n";
  write(dir_ / "text" / "a.txt", text);
  config_.data.tokenizer = "train:bpe:270";
  const RunData data = open();
  EXPECT_EQ(data.vocab_size, 270);
  EXPECT_EQ(data.train->info().vocab_size, 270);
  EXPECT_EQ(decode(data, *data.train), text + "second file, second file\n");
  const auto before = cache_files();
  EXPECT_EQ(open().tokenizer->hash(), data.tokenizer->hash());
  EXPECT_EQ(cache_files(), before);
}

TEST_F(RunDataTest, TrainsByteLevelBpeForAMaskedModel) {
  write(dir_ / "text" / "a.txt", "the cat sat on the mat.\n\nthe cat\n");
  config_.model.architecture = Architecture::kBert;
  config_.data.tokenizer = "train:bpe:264";
  const RunData data = open();
  const auto& bpe = dynamic_cast<const ByteLevelBpe&>(*data.tokenizer);
  EXPECT_EQ(bpe.vocab_size(), 264);
  EXPECT_EQ(missing_mask_roles(bpe.roles()), "");
  EXPECT_EQ(bpe.vocabulary().around, (TokensAround{{*bpe.roles().cls}, bpe.roles().sep}));
  EXPECT_TRUE(bpe.vocabulary().nfc);
  // Every document of the stream ends with [SEP].
  std::vector<int64_t> ids(static_cast<size_t>(data.train->size()));
  data.train->copy(0, ids);
  EXPECT_EQ(ids.back(), *bpe.roles().sep);
}

TEST_F(RunDataTest, TrainsWithThePatternOfAFamily) {
  write(dir_ / "text" / "a.txt", "12345 12345 end.\nend.\n");
  for (const PreTokenizer kind :
       {PreTokenizer::kGpt2, PreTokenizer::kLlama3, PreTokenizer::kQwen}) {
    config_.data.pretokenizer = kind;
    config_.data.tokenizer = "train:bpe:260";
    const RunData data = open();
    const auto& bpe = dynamic_cast<const ByteLevelBpe&>(*data.tokenizer);
    EXPECT_EQ(bpe.vocabulary().pre_tokenizer, kind);
    EXPECT_EQ(bpe.vocabulary().nfc, kind == PreTokenizer::kQwen);
    EXPECT_EQ(bpe.vocabulary().ignore_merges, kind == PreTokenizer::kLlama3);
  }
}

TEST_F(RunDataTest, TrainsWordPiece) {
  config_.data.tokenizer = "train:wordpiece:38";
  const RunData data = open();
  EXPECT_EQ(data.vocab_size, 38);
  std::vector<TokenId> ids;
  data.tokenizer->encode("Second FILE", ids);
  EXPECT_EQ(data.tokenizer->decode(ids, false), "second file");
}

TEST_F(RunDataTest, KeepsCaseInACasedWordPieceAndItsTemplateFromGpt) {
  std::string text;
  for (int i = 0; i < 50; i++)
    text += "Gr\u00f6\u00dfe gr\u00f6\u00dfe ";
  write(dir_ / "text" / "a.txt", text);
  config_.data.train = {"text/a.txt"};
  config_.data.tokenizer = "train:wordpiece-cased:20";
  const RunData data = open();
  const auto& wordpiece = dynamic_cast<const WordPiece&>(*data.tokenizer);
  EXPECT_FALSE(wordpiece.vocabulary().normalizer.lowercase);
  EXPECT_FALSE(wordpiece.vocabulary().has_template);
  EXPECT_TRUE(decode(data, *data.train).starts_with("Gr\u00f6\u00dfe gr\u00f6\u00dfe"));
}

TEST_F(RunDataTest, OpensPreparedDatasets) {
  prepare_dataset({dir_ / "valid.txt"}, *load_tokenizer("bytes"), dir_ / "ready");
  config_.data.train = {"ready"};
  config_.data.valid = {"ready/"};
  const RunData data = open();
  EXPECT_EQ(decode(data, *data.train), "validation text\n");
  EXPECT_EQ(decode(data, *data.valid), "validation text\n");
  EXPECT_FALSE(fs::exists(dir_ / "cache" / "datasets"));
}

TEST_F(RunDataTest, OpensBareFilesWithoutATokenizer) {
  write(dir_ / "train.bin", std::string("\1\0\2\0\3\0\4\0\5\0\6\0\7\0\10\0\11\0", 18));
  config_.data.train = {"train.bin"};
  config_.data.tokenizer = "";
  EXPECT_EQ(
      error<ConfigError>(), error_text<ConfigError>([] {
        throw ConfigError({{"model.vocab_size", "needed: the dataset names no tokenizer (got 0)",
                            "one more than the largest token, 50257 for GPT-2"}});
      }));
  config_.model.vocab_size = 10;
  const RunData data = open();
  EXPECT_EQ(data.tokenizer, nullptr);
  EXPECT_EQ(data.vocab_size, 10);
  config_.model.vocab_size = 9;
  EXPECT_EQ(error(),
            "data.train: holds token 9, outside of the vocabulary of 9 (hint: data.tokenizer must "
            "be the one that made it; without one, set data.tokenizer = \"\" and "
            "model.vocab_size)");
}

TEST_F(RunDataTest, ChoosesTheVocabularySize) {
  config_.model.vocab_size = 300;
  EXPECT_EQ(open().vocab_size, 300);
  config_.model.vocab_size = 256;
  EXPECT_EQ(error<ConfigError>(), error_text<ConfigError>([] {
              throw ConfigError({{"model.vocab_size", "smaller than the tokenizer's 257 (got 256)",
                                  "leave it out to take the tokenizer's"}});
            }));
}

TEST_F(RunDataTest, NamesADatasetOfAnotherTokenizer) {
  TokenWriter writer(dir_.path(), 257);
  writer.append(std::vector<TokenId>(20, 1));
  DatasetInfo info;
  info.tokenizer_hash = "0123";
  writer.finish(info);
  config_.data.train = {"."};
  EXPECT_EQ(error(), "data.train: '" + dir_.path().string() +
                         "/' was made by another tokenizer: its hash is 0123, that of "
                         "data.tokenizer is " +
                         load_tokenizer("bytes")->hash() +
                         " (hint: name the tokenizer that the dataset was prepared with)");
}

TEST_F(RunDataTest, NamesTextShorterThanASequence) {
  config_.model.context = 50;
  EXPECT_EQ(error(),
            "data.train: 50 tokens are less than one sequence: model.context = 50 needs 51 (hint: "
            "give more text, or a smaller model.context)");
  config_.model.context = 49;
  EXPECT_EQ(error(), "(no error)");
  config_.data.valid = {"valid.txt"};
  EXPECT_EQ(error(),
            "data.valid: 17 tokens are less than one sequence: model.context = 49 needs 50 (hint: "
            "give more text, or a smaller model.context)");
}

TEST_F(RunDataTest, TestTextIsPreparedApartAndReadByNothingElse) {
  write(dir_ / "test.txt", "text that nobody has seen\n");
  config_.data.valid = {"valid.txt"};
  config_.data.test = {"test.txt"};
  const RunData data = open();
  ASSERT_NE(data.test, nullptr);
  EXPECT_EQ(decode(data, *data.test), "text that nobody has seen\n");
  config_.data.test = {"test.txt", "valid.txt"};
  EXPECT_EQ(error(), "data.test: '" + at("valid.txt") +
                         "' is named in data.valid too (hint: text that nothing else reads)");
  fs::create_symlink(dir_ / "text" / "a.txt", dir_ / "other.txt");
  config_.data.test = {"other.txt"};
  EXPECT_EQ(error(), "data.test: '" + at("other.txt") +
                         "' is named in data.train too (hint: text that nothing else reads)");
}

TEST_F(RunDataTest, ASequenceOfBertNeedsLessText) {
  config_.model.architecture = Architecture::kBert;
  config_.data.tokenizer = "train:wordpiece:38";
  config_.model.context = 8;
  const int64_t size = open().train->size();
  config_.model.context = size + 2;
  EXPECT_EQ(error(), "(no error)");
  config_.model.context = size + 3;
  EXPECT_EQ(error(), fmt::format("data.train: {} tokens are less than one sequence: model.context "
                                 "= {} needs {} (hint: give more text, or a smaller "
                                 "model.context)",
                                 size, size + 3, size + 1));
}

TEST_F(RunDataTest, NamesATokenizerThatBertCannotUseBeforeTheTextIsPrepared) {
  load_tokenizer("bytes")->save(write(dir_ / "folder" / "x", "").parent_path());
  config_.model.architecture = Architecture::kBert;
  config_.data.tokenizer = "folder";
  EXPECT_EQ(error(),
            "data.tokenizer: architecture 'bert' needs a tokenizer with [CLS], [SEP], [PAD] and "
            "[MASK]; found one without [CLS], [SEP], [PAD], [MASK] (hint: 'train:wordpiece:8192', "
            "'train:bpe:8192', or the folder of a BERT)");
  EXPECT_FALSE(fs::exists(dir_ / "cache"));
}

TEST_F(RunDataTest, NamesWhatItCannotUse) {
  config_.data.train = {};
  EXPECT_EQ(error(), "data.train: empty (hint: train = [\"text/*.txt\"])");
  config_.data.train = {"none/*.txt"};
  EXPECT_EQ(error(),
            "data.train: no file matches 'none/*.txt' (looked in '" + dir_.path().string() + "')");
  write(dir_ / "empty.txt", "");
  config_.data.train = {"empty.txt"};
  EXPECT_EQ(error(), at("empty.txt") + ": file is empty");
  fs::create_directories(dir_ / "nothing" / "below");
  config_.data.train = {"nothing"};
  EXPECT_EQ(error(), "data.train: no text file in the folder '" + at("nothing") + "'");
}

TEST_F(RunDataTest, NamesMixturesOfTextAndDatasets) {
  write(dir_ / "a.bin", "1234");
  write(dir_ / "b.bin", "1234");
  config_.data.train = {"a.bin", "valid.txt"};
  EXPECT_EQ(error(), "data.train: expected text or a prepared dataset, found both: '" +
                         at("a.bin") + "' is a dataset, '" + at("valid.txt") + "' is text");
  config_.data.train = {"valid.txt", "a.bin"};
  EXPECT_EQ(error(), "data.train: expected text or a prepared dataset, found both: '" +
                         at("a.bin") + "' is a dataset, '" + at("valid.txt") + "' is text");
  config_.data.train = {"*.bin"};
  EXPECT_EQ(error(), "data.train: expected one prepared dataset, found 2: '" + at("a.bin") +
                         "', '" + at("b.bin") + "' (hint: prepare their texts into one)");
  config_.data.train = {"a.bin"};
  config_.data.valid_fraction = 0.1;
  EXPECT_EQ(error(),
            "data.valid_fraction: needs text to split, but data.train is the prepared "
            "dataset '" +
                at("a.bin") + "' (hint: name a dataset in data.valid)");
}

TEST_F(RunDataTest, NamesUnusableTokenizerSpecs) {
  for (const std::string spec :
       {"train:bpe:", "train:bpe:8k", "train:bpe:-1", "train:x:5", "train:wordpiece:8k"}) {
    config_.data.tokenizer = spec;
    EXPECT_EQ(error(),
              "data.tokenizer: expected 'train:bpe:N', 'train:wordpiece:N' or "
              "'train:wordpiece-cased:N', found '" +
                  spec + "' (hint: 'train:bpe:8192')");
  }
  config_.data.tokenizer = "";
  EXPECT_EQ(error(),
            "data.tokenizer: empty, but data.train is text (hint: a folder, "
            "'train:bpe:8192' or 'bytes')");
  write(dir_ / "a.bin", "1234");
  config_.data.train = {"a.bin"};
  config_.data.tokenizer = "train:bpe:300";
  EXPECT_EQ(error(),
            "data.tokenizer: 'train:bpe:300' needs text, but data.train is the prepared "
            "dataset '" +
                at("a.bin") + "'");
}

TEST_F(RunDataTest, NamesACacheItCannotWriteTo) {
  write(dir_ / "cache", "a file where the folder should be");
  EXPECT_EQ(error(), at("cache/datasets") +
                         ": cannot write to the cache folder (hint: name another in data.cache)");
}

}  // namespace
}  // namespace apollo
