#include "data/token_dataset.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "base/hash.h"
#include "base/json_lines.h"
#include "data/helpers.h"
#include "data/token_writer.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

template <class Number>
std::string raw(const std::vector<Number>& numbers) {
  return std::string(reinterpret_cast<const char*>(numbers.data()),
                     numbers.size() * sizeof(Number));
}

std::string header(int32_t magic, int32_t version, int32_t count) {
  std::vector<int32_t> words(256);
  words[0] = magic;
  words[1] = version;
  words[2] = count;
  return raw(words);
}

std::vector<int64_t> all_tokens(const TokenDataset& dataset) {
  std::vector<int64_t> tokens(static_cast<size_t>(dataset.size()));
  dataset.copy(0, tokens);
  return tokens;
}

std::filesystem::path write_dataset(const std::filesystem::path& dir,
                                    const std::vector<TokenId>& ids, int64_t vocab_size) {
  std::filesystem::create_directories(dir);
  TokenWriter writer(dir, vocab_size);
  writer.append(ids);
  DatasetInfo info;
  info.num_documents = 3;
  info.text_bytes = 17;
  info.tokenizer_hash = "abc";
  info.invalid_sequences = 2;
  info.sources = {{"a.txt", 17, "def"}};
  writer.finish(info);
  return dir;
}

std::string open_error(const std::filesystem::path& path) {
  return error_text<DataError>([&] { TokenDataset::open(path); });
}

TEST(TokenDataset, ReadsItsOwnFolder) {
  const TempDir dir;
  for (const int64_t vocab_size : {65536, 65537}) {
    const int64_t width = vocab_size == 65536 ? 2 : 4;
    const auto path = write_dataset(dir / "data", {5, 0, 65535, 7}, vocab_size);
    EXPECT_EQ(std::filesystem::file_size(path / "tokens.bin"), static_cast<size_t>(4 * width));
    const TokenDataset dataset = TokenDataset::open(path);
    EXPECT_EQ(all_tokens(dataset), (std::vector<int64_t>{5, 0, 65535, 7}));
    EXPECT_EQ(dataset.max_token(), 65535);
    const DatasetInfo& info = dataset.info();
    EXPECT_EQ(info.bytes_per_token, width);
    EXPECT_EQ(info.num_tokens, 4);
    EXPECT_EQ(info.num_documents, 3);
    EXPECT_EQ(info.text_bytes, 17);
    EXPECT_EQ(info.vocab_size, vocab_size);
    EXPECT_EQ(info.tokenizer_hash, "abc");
    EXPECT_EQ(info.content_hash, hash_file(path / "tokens.bin"));
    EXPECT_EQ(info.invalid_sequences, 2);
    ASSERT_EQ(info.sources.size(), 1u);
    EXPECT_EQ(info.sources[0].name, "a.txt");
    EXPECT_EQ(info.sources[0].bytes, 17);
    EXPECT_EQ(info.sources[0].hash, "def");
    EXPECT_EQ(TokenDataset::open(path / "tokens.bin").info().tokenizer_hash, "abc");
    EXPECT_NO_THROW(dataset.verify());
  }
}

TEST(TokenDataset, CopiesAnyRangeAndNoMore) {
  const TempDir dir;
  std::vector<TokenId> ids(1000);
  std::iota(ids.begin(), ids.end(), 0);
  const TokenDataset dataset = TokenDataset::open(write_dataset(dir / "data", ids, 70000));
  std::vector<int64_t> out(3);
  dataset.copy(997, out);
  EXPECT_EQ(out, (std::vector<int64_t>{997, 998, 999}));
  const std::string name = (dir / "data" / "tokens.bin").string();
  EXPECT_EQ(error_text<DataError>([&] { dataset.copy(998, out); }),
            name + ": tokens 998 to 1001 asked for, but there are 1000");
  EXPECT_EQ(error_text<DataError>([&] { dataset.copy(-1, out); }),
            name + ": tokens -1 to 2 asked for, but there are 1000");
}

TEST(TokenDataset, VerifyFindsChangedTokens) {
  const TempDir dir;
  const auto path = write_dataset(dir / "data", {1, 2, 3}, 10);
  const std::string good = hash_file(path / "tokens.bin");
  write(path / "tokens.bin", raw<uint16_t>({1, 2, 4}));
  const TokenDataset dataset = TokenDataset::open(path);
  EXPECT_EQ(error_text<DataError>([&] { dataset.verify(); }),
            (path / "tokens.bin").string() + ": damaged: content hash " +
                hash_file(path / "tokens.bin") + ", but dataset.json says " + good +
                " (hint: prepare the dataset again)");
}

TEST(TokenDataset, NamesDamagedFolders) {
  const TempDir dir;
  const auto path = write_dataset(dir / "data", {1, 2, 3}, 10);
  const std::string json = (path / "dataset.json").string();
  const std::string tokens = (path / "tokens.bin").string();
  for (const std::string content : {"\x01", "\x01\x02\x03\x04\x05\x06\x07\x08"}) {
    write(tokens, content);
    EXPECT_EQ(open_error(path), tokens + ": expected 3 tokens of 2 bytes, 6 bytes in all, found " +
                                    std::to_string(content.size()) +
                                    " (hint: prepare the dataset again)");
  }
  std::filesystem::remove(tokens);
  EXPECT_EQ(open_error(path), tokens + ": no such file");
  const std::string good = read_file(json);
  write(json, good.substr(0, good.size() / 2));
  EXPECT_TRUE(open_error(path).starts_with(json + ": damaged JSON at byte "));
  std::filesystem::remove(json);
  EXPECT_EQ(open_error(path), path.string() + ": no dataset: the folder has no dataset.json");
  EXPECT_EQ(open_error(dir / "none"), (dir / "none").string() + ": no such dataset");
}

TEST(TokenDataset, NamesDamagedFields) {
  const TempDir dir;
  const auto path = write_dataset(dir / "data", {1, 2, 3}, 10);
  const std::string json = (path / "dataset.json").string();
  const Json good = read_json(json);
  const auto with = [&](const char* key, const Json& value) {
    Json changed = good;
    if (value.is_discarded()) {
      changed.erase(key);
    } else {
      changed[key] = value;
    }
    write(json, changed.dump());
    return open_error(path);
  };
  const Json removed(nlohmann::json::value_t::discarded);
  EXPECT_EQ(with("num_tokens", removed), json + ": no field 'num_tokens'");
  EXPECT_EQ(with("num_tokens", -3), json + ": 'num_tokens': expected a count, found -3");
  EXPECT_EQ(with("num_tokens", "3"), json + ": 'num_tokens': expected a count, found \"3\"");
  EXPECT_EQ(with("num_tokens", uint64_t{1} << 63),
            json + ": 'num_tokens': expected a count, found 9223372036854775808");
  EXPECT_EQ(with("bytes_per_token", 3), json + ": 'bytes_per_token': expected 2 or 4, found 3");
  EXPECT_EQ(with("format_version", 2), json +
                                           ": format version 2 of another Apollo, expected 1 "
                                           "(hint: prepare the dataset again)");
  EXPECT_EQ(with("tokenizer_hash", 1), json + ": 'tokenizer_hash': expected a string, found 1");
  EXPECT_EQ(with("sources", 1), json + ": 'sources': expected a list, found 1");
  EXPECT_EQ(with("sources", {1}), json + ": expected an object, found number");
  write(json, "[]");
  EXPECT_EQ(open_error(path), json + ": expected an object, found array");
}

TEST(TokenDataset, ReadsNanoGptFiles) {
  const TempDir dir;
  const auto path = write(dir / "train.bin", raw<uint16_t>({1, 2, 50256}));
  const TokenDataset dataset = TokenDataset::open(path);
  EXPECT_EQ(all_tokens(dataset), (std::vector<int64_t>{1, 2, 50256}));
  EXPECT_EQ(dataset.info().num_documents, 0);
  EXPECT_EQ(dataset.info().vocab_size, 0);
  EXPECT_EQ(dataset.info().tokenizer_hash, "");

  write(path, "odd");
  EXPECT_EQ(open_error(path), path.string() +
                                  ": expected uint16 tokens, found 3 bytes, no multiple of 2: "
                                  "the file is truncated or no token file");
  write(path, "");
  EXPECT_EQ(open_error(path), path.string() + ": file is empty");
}

// Tokens of a vocabulary of 100,000 and of one of 50,000, both in 32 bits.
TEST(TokenDataset, KnowsBareFilesOf32Bits) {
  const TempDir dir;
  std::vector<uint32_t> wide;
  std::vector<uint16_t> narrow;
  std::vector<uint16_t> dna;
  for (uint32_t i = 0; i < 4000; i++) {
    wide.push_back(i * 7919 % 100000);
    narrow.push_back(static_cast<uint16_t>(i * 7919 % 50000));
    dna.push_back(static_cast<uint16_t>(i % 4));
  }
  const std::vector<int64_t> narrow_tokens(narrow.begin(), narrow.end());
  const auto path = write(dir / "wide.bin", raw<uint32_t>(wide));
  EXPECT_EQ(all_tokens(TokenDataset::open(path)), std::vector<int64_t>(wide.begin(), wide.end()));
  write(path, raw<uint32_t>({narrow.begin(), narrow.end()}));
  EXPECT_EQ(all_tokens(TokenDataset::open(path)), narrow_tokens);
  write(path, raw<uint16_t>(narrow));
  EXPECT_EQ(all_tokens(TokenDataset::open(path)), narrow_tokens);
  write(path, raw<uint16_t>(dna));
  EXPECT_EQ(all_tokens(TokenDataset::open(path)), std::vector<int64_t>(dna.begin(), dna.end()));
  write(path, raw<uint32_t>({1, 70000}));
  EXPECT_EQ(all_tokens(TokenDataset::open(path, 100000)), (std::vector<int64_t>{1, 70000}));
  write(path, "123456");
  EXPECT_EQ(error_text<DataError>([&] { TokenDataset::open(path, 100000); }),
            path.string() +
                ": expected uint32 tokens, found 6 bytes, no multiple of 4: the file "
                "is truncated or no token file");
}

TEST(TokenDataset, AChangeAnywhereInABareFileChangesItsHash) {
  const TempDir dir;
  std::vector<uint16_t> tokens(3 << 20, 7);
  const auto path = write(dir / "train.bin", raw<uint16_t>(tokens));
  const auto hash = [&] {
    TokenDataset dataset = TokenDataset::open(path);
    dataset.check_content(dir / "hashes");
    return dataset.info().content_hash;
  };
  const std::string before = hash();
  EXPECT_EQ(hash(), before);
  const auto time = std::filesystem::last_write_time(path);
  tokens[1234567] = 8;
  write(path, raw<uint16_t>(tokens));
  std::filesystem::last_write_time(path, time);
  EXPECT_NE(hash(), before);
}

TEST(TokenDataset, NoticesAFolderOfOtherTokensOfTheSameLength) {
  const TempDir dir;
  TokenDataset dataset = make_dataset(dir.path(), {1, 2, 3}, 10);
  dataset.check_content(dir / "hashes");
  write(dir / "tokens.bin", raw<uint16_t>({1, 2, 4}));
  EXPECT_TRUE(error_text<DataError>([&] {
                TokenDataset::open(dir.path()).check_content(dir / "hashes");
              }).starts_with((dir / "tokens.bin").string() + ": damaged: content hash "));
}

TEST(TokenDataset, NamesAFileThatIsCutShortWhileItIsRead) {
  const TempDir dir;
  const auto path = write(dir / "train.bin", raw<uint16_t>(std::vector<uint16_t>(1 << 20, 777)));
  const TokenDataset dataset = TokenDataset::open(path);
  std::vector<int64_t> out(1000);
  dataset.copy(500000, out);
  std::filesystem::resize_file(path, 4096);
  EXPECT_EQ(error_text<Error>([&] { dataset.copy(500000, out); }),
            path.string() +
                ": the file was cut short while it is in use: 2097152 bytes when it was opened, "
                "now 4096 (hint: put it back as it was; a run goes on from its last checkpoint)");
  dataset.copy(0, out);
}

TEST(TokenDataset, ReadsLlmcFiles) {
  const TempDir dir;
  const auto gpt2 = write(dir / "a.bin", header(20240520, 1, 3) + raw<uint16_t>({1, 2, 50256}));
  EXPECT_EQ(all_tokens(TokenDataset::open(gpt2)), (std::vector<int64_t>{1, 2, 50256}));
  EXPECT_EQ(TokenDataset::open(gpt2).max_token(), 50256);
  const auto llama = write(dir / "b.bin", header(20240801, 7, 2) + raw<uint32_t>({1, 128000}));
  EXPECT_EQ(all_tokens(TokenDataset::open(llama)), (std::vector<int64_t>{1, 128000}));
  EXPECT_EQ(TokenDataset::open(llama).max_token(), 128000);
}

TEST(TokenDataset, NamesDamagedLlmcFiles) {
  const TempDir dir;
  const auto path = dir / "a.bin";
  const auto error_of = [&](const std::string& content) {
    return open_error(write(path, content));
  };
  const std::string name = path.string();
  const std::string tokens = raw<uint16_t>({1, 2, 3});
  EXPECT_EQ(error_of(header(20240520, 1, 4) + tokens),
            name + ": header promises 4 tokens, 1032 bytes in all, but the file has 1030");
  EXPECT_EQ(error_of(header(20240520, 1, 2) + tokens),
            name + ": header promises 2 tokens, 1028 bytes in all, but the file has 1030");
  EXPECT_EQ(error_of(header(20240520, 1, -1) + tokens),
            name + ": header promises -1 tokens, 1022 bytes in all, but the file has 1030");
  EXPECT_EQ(error_of(header(20240520, 2, 3) + tokens),
            name + ": header of llm.c with magic 20240520: expected version 1, found 2");
  EXPECT_EQ(error_of(header(static_cast<int32_t>(__builtin_bswap32(20240520)), 0, 3) + tokens),
            name + ": big-endian header of llm.c; expected little-endian");
  EXPECT_EQ(error_of(header(20240520, 1, 0).substr(0, 100)),
            name + ": header ends too early: expected 1024 bytes, found 100");
}

TEST(TokenWriter, RefusesIdsOutsideOfTheVocabulary) {
  const TempDir dir;
  TokenWriter writer(dir.path(), 10);
  EXPECT_EQ(
      error_text<DataError>([&] {
        writer.append(std::vector<TokenId>{9, 10});
      }),
      (dir / "tokens.bin").string() + ": tokenizer gave id 10, outside of its vocabulary of 10");
}

TEST(TokenWriter, NamesAFullDisk) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "/dev/full is absent";
  const TempDir dir;
  std::filesystem::create_symlink("/dev/full", dir / "tokens.bin");
  const std::string text = error_text<Error>([&] {
    TokenWriter writer(dir.path(), 10);
    writer.append(std::vector<TokenId>(100000, 1));
    writer.finish({});
  });
  EXPECT_EQ(text, (dir / "tokens.bin").string() + ": cannot write: No space left on device");
}

}  // namespace
}  // namespace apollo
