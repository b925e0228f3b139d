#include "data/text_encoding.h"

#include <gtest/gtest.h>

#include "data/helpers.h"
#include "data/text_reader.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

using namespace std::string_literals;

// Returns German text with this many lines, in Latin-1; 3 of its letters are beyond ASCII, the
// first at byte 1.
std::string latin1(size_t num_lines) {
  std::string text;
  for (size_t i = 0; i < num_lines; i++)
    text += "f\xFCr die sch\xF6nsten M\xE4rkte der Stadt\n";
  return text;
}

std::string ascii(size_t num_bytes) {
  std::string text;
  while (text.size() < num_bytes)
    text += "a line of plain text, and nothing else in it\n";
  return text;
}

// Returns ASCII text with each character in `size` bytes.
std::string widened(std::string_view text, size_t size, bool little_endian) {
  std::string wide;
  for (const char c : text) {
    if (little_endian) wide += c;
    wide.append(size - 1, '\0');
    if (!little_endian) wide += c;
  }
  return wide;
}

class TextEncodingTest : public ::testing::Test {
 protected:
  // Returns the error of reading files with these contents; their names are 0.txt, 1.txt, ...
  std::string error(const std::vector<std::string>& contents) {
    std::vector<std::filesystem::path> paths;
    for (const std::string& content : contents)
      paths.push_back(write(dir_ / fmt::format("{}.txt", paths.size()), content));
    return error_text<DataError>([&] {
      TextFiles files(paths);
      std::string piece;
      bool end_of_document = false;
      text_.clear();
      while (files.next(piece, end_of_document))
        text_ += piece;
      num_invalid_ = files.num_invalid_sequences();
    });
  }
  std::string error(const std::string& content) { return error(std::vector{content}); }
  std::string name(int i) { return (dir_ / fmt::format("{}.txt", i)).string(); }

  TempDir dir_;
  std::string text_;
  int64_t num_invalid_ = 0;
};

TEST_F(TextEncodingTest, RefusesLatin1) {
  EXPECT_EQ(error(latin1(4)),
            name(0) +
                ": expected text in UTF-8, found byte 0xFC at byte 1: 12 of the 12 characters "
                "beyond ASCII are not UTF-8 (hint: where it is Latin-1, iconv -f LATIN1 -t UTF-8)");
}

TEST_F(TextEncodingTest, RefusesLatin1BehindTheFirstBlock) {
  const std::string text = ascii(3 << 20);
  EXPECT_EQ(error(text + latin1(200)),
            fmt::format("{}: expected text in UTF-8, found byte 0xFC at byte {}: 600 of the 600 "
                        "characters beyond ASCII are not UTF-8 (hint: where it is Latin-1, iconv "
                        "-f LATIN1 -t UTF-8)",
                        name(0), text.size() + 1));
}

TEST_F(TextEncodingTest, RefusesJsonLinesInLatin1) {
  std::string lines;
  for (int i = 0; i < 10; i++)
    lines += "{\"text\": \"caf\xE9\"}\n";
  const auto path = write(dir_ / "a.jsonl", lines);
  EXPECT_EQ(error_text<DataError>([&] {
              TextReader reader(path);
              std::string piece;
              bool end_of_document = false;
              while (reader.next(piece, end_of_document)) {
              }
            }),
            path.string() +
                ": expected text in UTF-8, found byte 0xE9 at byte 13: 10 of the 10 characters "
                "beyond ASCII are not UTF-8 (hint: where it is Latin-1, iconv -f LATIN1 -t UTF-8)");
}

TEST_F(TextEncodingTest, RefusesManySmallFilesTogether) {
  EXPECT_EQ(error({"a\n", latin1(2)}), "(no error)");
  EXPECT_EQ(error({"a\n", latin1(2), latin1(2)}),
            name(1) +
                ": expected text in UTF-8, found byte 0xFC at byte 1: 12 of the 12 characters "
                "beyond ASCII are not UTF-8 (hint: where it is Latin-1, iconv -f LATIN1 -t UTF-8)");
}

TEST_F(TextEncodingTest, SaysSoBeforeALongFileEnds) {
  const auto path = write(dir_ / "long.txt", latin1(1'500'000));
  TextReader reader(path);
  const std::string message = error_text<DataError>([&] {
    std::string piece;
    bool end_of_document = false;
    while (reader.next(piece, end_of_document)) {
    }
  });
  EXPECT_TRUE(message.starts_with(path.string() + ": expected text in UTF-8")) << message;
  EXPECT_LT(reader.file_bytes_read(), 20 << 20);
  EXPECT_GT(reader.file_size(), 40 << 20);
}

TEST_F(TextEncodingTest, RefusesMarksOfUtf16AndUtf32) {
  const auto expected = [&](const std::string& encoding) {
    return name(0) + ": expected text in UTF-8, found the byte order mark of " + encoding +
           " at byte 0 (hint: iconv -f " + encoding + " -t UTF-8)";
  };
  EXPECT_EQ(error("\xFF\xFE"s + widened("ab", 2, true)), expected("UTF-16"));
  EXPECT_EQ(error("\xFE\xFF"s + widened("ab", 2, false)), expected("UTF-16"));
  EXPECT_EQ(error("\xFF\xFE\0\0"s + widened("ab", 4, true)), expected("UTF-32"));
  EXPECT_EQ(error("\0\0\xFE\xFF"s + widened("ab", 4, false)), expected("UTF-32"));
  EXPECT_EQ(error("\xFF\xFE"), expected("UTF-16"));
}

TEST_F(TextEncodingTest, RefusesUtf16AndUtf32WithoutAMark) {
  const auto expected = [&](const std::string& encoding, int count, int place) {
    return fmt::format(
        "{}: expected text in UTF-8, found {} NUL bytes from byte {} on, placed as in {} (hint: "
        "iconv -f {} -t UTF-8)",
        name(0), count, place, encoding, encoding);
  };
  const std::string text = "a few words, in bytes too many";
  EXPECT_EQ(error(widened(text, 2, true)), expected("UTF-16LE", 30, 1));
  EXPECT_EQ(error(widened(text, 2, false)), expected("UTF-16BE", 30, 0));
  EXPECT_EQ(error(widened(text, 4, true)), expected("UTF-32LE", 90, 1));
  EXPECT_EQ(error(widened(text, 4, false)), expected("UTF-32BE", 90, 0));
  EXPECT_EQ(error(widened(ascii(1 << 20), 2, true)), expected("UTF-16LE", 2048, 1));
  // Greek in UTF-16LE is valid UTF-8 except for its letters, and only its spaces have a NUL.
  std::string greek;
  for (int i = 0; i < 10; i++)
    greek += "\xB1\x03\xB2\x03\xB3\x03\x20"s + '\0';
  EXPECT_EQ(error(greek), expected("UTF-16LE", 10, 7));
}

TEST_F(TextEncodingTest, ANulHereAndThereIsText) {
  std::string text = ascii(2000);
  for (size_t i = 0; i < 10; i++)
    text[100 * i + 1] = '\0';
  EXPECT_EQ(error(text), "(no error)");
  EXPECT_EQ(text_, text);
  EXPECT_EQ(error("a\0b\0c\0d"s), "(no error)");
}

TEST_F(TextEncodingTest, RefusesWhatIsMostlyNuls) {
  EXPECT_EQ(error(std::string(100, '\0')),
            name(0) +
                ": expected text, found 100 NUL bytes among 100 from byte 0 on (hint: binary "
                "data, or a file that was not written to its end)");
  const std::string text = ascii(3 << 20);
  EXPECT_NE(error(text + std::string(4 << 20, '\0')).find(" NUL bytes among "), std::string::npos);
  EXPECT_LT(text_.size(), text.size() + (2 << 20)) << "not read to the end";
}

TEST_F(TextEncodingTest, DropsTheMarkOfUtf8) {
  EXPECT_EQ(error("\xEF\xBB\xBF"
                  "caf\xC3\xA9"),
            "(no error)");
  EXPECT_EQ(text_, "caf\xC3\xA9");
  EXPECT_EQ(num_invalid_, 0);
}

TEST_F(TextEncodingTest, ABadByteInALargeFileIsCounted) {
  std::string text = ascii(2 << 20);
  text[1'000'000] = '\xE9';
  EXPECT_EQ(error(text), "(no error)");
  EXPECT_EQ(num_invalid_, 1);
  EXPECT_EQ(text_, text.replace(1'000'000, 1, "\xEF\xBF\xBD"));
}

// Tests each of the three limits one step inside and one step outside.
TEST_F(TextEncodingTest, DrawsTheLineBetweenDamageAndAnotherEncoding) {
  const auto text = [](int num_bad, int num_good, size_t num_bytes) {
    std::string all;
    for (int i = 0; i < num_bad; i++)
      all += "\xE9 ";
    for (int i = 0; i < num_good; i++)
      all += "\xC3\xA9 ";
    return all + ascii(num_bytes);
  };
  EXPECT_EQ(error(text(9, 0, 0)), "(no error)");
  EXPECT_NE(error(text(10, 0, 0)), "(no error)");
  EXPECT_EQ(error(text(100, 900, 0)), "(no error)");
  EXPECT_EQ(num_invalid_, 100);
  EXPECT_NE(error(text(100, 899, 0)), "(no error)");
  EXPECT_EQ(error(text(20, 0, 1'050'000)), "(no error)");
  EXPECT_NE(error(text(20, 0, 950'000)), "(no error)");
}

}  // namespace
}  // namespace apollo
