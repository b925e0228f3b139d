#include "data/byte_source.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "data/helpers.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

std::string read_all(const std::filesystem::path& path, size_t block = 1000) {
  const auto source = ByteSource::open(path);
  std::string text;
  std::string buffer(block, '\0');
  while (const size_t count = source->read(buffer))
    text.append(buffer, 0, count);
  return text;
}

std::string sample_text(size_t num_parts = 300000) {
  std::mt19937_64 random(1);
  return random_text(random, num_parts);
}

class CompressedSource : public ::testing::TestWithParam<std::string> {};

TEST_P(CompressedSource, GivesTheText) {
  const TempDir dir;
  const std::string text = sample_text();
  const auto path = write(dir / ("a.txt" + GetParam()), compress(text, GetParam()));
  EXPECT_EQ(read_all(path), text);
  EXPECT_EQ(read_all(path, 1 << 20), text);
  const auto source = ByteSource::open(path);
  std::string buffer(1 << 16, '\0');
  while (source->read(buffer) > 0) {
  }
  EXPECT_EQ(source->file().bytes_read(), static_cast<int64_t>(std::filesystem::file_size(path)));
  EXPECT_EQ(source->file().size(), source->file().bytes_read());
  EXPECT_EQ(source->file().hash(), hash_file(path));
}

TEST_P(CompressedSource, GivesTextThatCompressesManyfold) {
  const TempDir dir;
  const std::string text(5 << 20, 'a');
  EXPECT_EQ(read_all(write(dir / ("a.txt" + GetParam()), compress(text, GetParam()))), text);
}

INSTANTIATE_TEST_SUITE_P(Suffixes, CompressedSource, ::testing::Values("", ".gz", ".xz", ".zst"),
                         [](const auto& info) {
                           return info.param.empty() ? "plain" : info.param.substr(1);
                         });

class DamagedSource : public ::testing::TestWithParam<std::string> {};

TEST_P(DamagedSource, ReadsConcatenatedMembers) {
  const TempDir dir;
  const std::string& suffix = GetParam();
  const std::string text = sample_text();
  const std::string content = compress(text, suffix) + compress("", suffix) +
                              compress("middle", suffix) + compress(text, suffix);
  EXPECT_EQ(read_all(write(dir / ("a.txt" + suffix), content)), text + "middle" + text);
}

TEST_P(DamagedSource, NamesTruncationAtEveryLength) {
  const TempDir dir;
  const std::string& suffix = GetParam();
  const std::string whole = compress("some text that ends too early\n", suffix);
  const auto path = dir / ("a.txt" + suffix);
  for (size_t length = 1; length < whole.size(); length++) {
    write(path, whole.substr(0, length));
    EXPECT_EQ(error_text<DataError>([&] { read_all(path); }),
              path.string() + ": " + suffix + " data end too early: the file is truncated")
        << length;
  }
}

TEST_P(DamagedSource, NamesTruncationOfALongFile) {
  const TempDir dir;
  const std::string& suffix = GetParam();
  const std::string whole = compress(sample_text(), suffix);
  const auto path = write(dir / ("a.txt" + suffix), whole.substr(0, whole.size() / 2));
  EXPECT_EQ(error_text<DataError>([&] { read_all(path); }),
            path.string() + ": " + suffix + " data end too early: the file is truncated");
}

TEST_P(DamagedSource, NoticesChangedBytes) {
  const TempDir dir;
  const std::string& suffix = GetParam();
  std::string content = compress(sample_text(3000), suffix);
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 0x55);
  const auto path = write(dir / ("a.txt" + suffix), content);
  // zstd's frames carry no checksum unless asked for; a change may pass as other text.
  if (suffix == ".zst") return;
  EXPECT_TRUE(error_text<DataError>([&] {
                read_all(path);
              }).starts_with(path.string() + ": damaged " + suffix + " data: "));
}

INSTANTIATE_TEST_SUITE_P(Suffixes, DamagedSource, ::testing::Values(".gz", ".xz", ".zst"),
                         [](const auto& info) { return info.param.substr(1); });

TEST(ByteSource, NamesWhatIsNoCompressedFile) {
  const TempDir dir;
  const auto gz = write(dir / "a.gz", "plain text, no gzip");
  const auto xz_path = write(dir / "a.xz", "plain text, no xz");
  const auto zst = write(dir / "a.zst", "plain text, no zstd");
  EXPECT_EQ(error_text<DataError>([&] { read_all(gz); }),
            gz.string() + ": damaged .gz data: incorrect header check");
  EXPECT_EQ(error_text<DataError>([&] { read_all(xz_path); }),
            xz_path.string() + ": damaged .xz data: no xz header");
  EXPECT_EQ(error_text<DataError>([&] { read_all(zst); }),
            zst.string() + ": damaged .zst data: Unknown frame descriptor");
}

TEST(ByteSource, ForgivesZerosAfterGzipButNotGarbage) {
  const TempDir dir;
  const auto padded = write(dir / "a.gz", gzip("text") + std::string(700, '\0'));
  EXPECT_EQ(read_all(padded), "text");
  const auto garbage = write(dir / "b.gz", gzip("text") + "garbage");
  EXPECT_EQ(error_text<DataError>([&] { read_all(garbage); }),
            garbage.string() + ": damaged .gz data: incorrect header check");
}

TEST(ByteSource, NamesMissingEmptyAndFolder) {
  const TempDir dir;
  const auto missing = dir / "missing.txt";
  EXPECT_EQ(error_text<DataError>([&] { ByteSource::open(missing); }),
            missing.string() + ": no such file");
  const auto empty = write(dir / "empty.txt", "");
  EXPECT_EQ(error_text<DataError>([&] { ByteSource::open(empty); }),
            empty.string() + ": file is empty");
  EXPECT_EQ(error_text<DataError>([&] { ByteSource::open(dir.path()); }),
            dir.path().string() + ": expected a file, found a folder");
}

}  // namespace
}  // namespace apollo
