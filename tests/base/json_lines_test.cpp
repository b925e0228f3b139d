#include "base/json_lines.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "support/temp_dir.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

void write_text(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::vector<Json> rows_of(const std::filesystem::path& path) {
  std::vector<Json> rows;
  read_json_lines(path, [&](Json&& row) { rows.push_back(std::move(row)); });
  return rows;
}

TEST(JsonLines, GoThereAndBackInTheOrderOfTheirKeys) {
  const TempDir dir;
  const auto path = dir / "rows.jsonl";
  {
    JsonLinesWriter writer(path, 0);
    writer.write({{"z", 1}, {"a", 0.1}});
    writer.write({{"text", "line\nend"}, {"none", nullptr}});
    const int64_t length = writer.flush();
    EXPECT_EQ(length, static_cast<int64_t>(std::filesystem::file_size(path)));
  }
  EXPECT_EQ(read_file(path), "{\"z\":1,\"a\":0.1}\n{\"text\":\"line\\nend\",\"none\":null}\n");
  const auto rows = rows_of(path);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].at("a").get<double>(), 0.1);
  EXPECT_EQ(rows[1].at("text").get<std::string>(), "line\nend");
}

TEST(JsonLines, AWriterCutsOffWhatFollowsItsPlace) {
  const TempDir dir;
  const auto path = dir / "rows.jsonl";
  write_text(path, "{\"a\":1}\n{\"a\":2}\n{\"a\":");
  JsonLinesWriter writer(path, 8);
  writer.write({{"a", 3}});
  EXPECT_EQ(writer.flush(), 16);
  EXPECT_EQ(read_file(path), "{\"a\":1}\n{\"a\":3}\n");
}

TEST(JsonLines, AWriterRefusesAFileThatLostRows) {
  const TempDir dir;
  const auto path = dir / "rows.jsonl";
  write_text(path, "{\"a\":1}\n");
  EXPECT_EQ(thrown_text<Error>([&] { JsonLinesWriter(path, 9); }),
            path.string() + ": expected at least 9 bytes, found 8");
  EXPECT_EQ(read_file(path), "{\"a\":1}\n") << "and leaves it as it is";
  EXPECT_EQ(thrown_text<Error>([&] { JsonLinesWriter(dir / "absent/rows", 0); }),
            (dir / "absent/rows").string() + ": cannot write: No such file or directory");
}

TEST(JsonLines, ATornLastLineIsForgiven) {
  const TempDir dir;
  const auto path = dir / "rows.jsonl";
  for (const char* tail : {"{\"a\":", "{", "nonsense", "{\"a\":2"}) {
    write_text(path, std::string("{\"a\":1}\n") + tail);
    EXPECT_EQ(rows_of(path).size(), 1u) << tail;
  }
  write_text(path, "{\"a\":1}\n{\"a\":2}");
  EXPECT_EQ(rows_of(path).size(), 2u) << "whole, only its end is missing";
  write_text(path, "");
  EXPECT_TRUE(rows_of(path).empty());
}

TEST(JsonLines, ADamagedLineIsNamed) {
  const TempDir dir;
  const auto path = dir / "rows.jsonl";
  write_text(path, "{\"a\":1}\n{\"a\":\n{\"a\":3}\n");
  EXPECT_EQ(thrown_text<DataError>([&] { rows_of(path); }),
            path.string() + ":2: expected a JSON object, found '{\"a\":'");
  write_text(path, "{\"a\":1}\n{\"a\":2}\n[1]\n");
  EXPECT_EQ(thrown_text<DataError>([&] { rows_of(path); }),
            path.string() + ":3: expected a JSON object, found '[1]'");
}

TEST(Json, ADamagedFileIsNamedWithTheByte) {
  const TempDir dir;
  const auto path = dir / "a.json";
  write_text(path, "{\"a\": [1, 2}");
  const std::string text = thrown_text<DataError>([&] { read_json(path); });
  EXPECT_TRUE(text.starts_with(path.string() + ": damaged JSON at byte 12: ")) << text;
  write_text(path, "{\"a\": [1, 2]}");
  EXPECT_EQ(read_json(path).at("a").size(), 2u);
}

TEST(ParseJson, RefusesWhatIsNestedTooDeep) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_json(nested(100)).is_array());
  EXPECT_EQ(thrown_text<DataError>([&] { parse_json(nested(101)); }),
            "damaged JSON at byte 101: nested deeper than 100");
  EXPECT_EQ(thrown_text<DataError>([&] { parse_json("{\"a\": " + nested(30000) + "}"); }),
            "damaged JSON at byte 106: nested deeper than 100");
  EXPECT_FALSE(try_parse_json(nested(101)));
  // Brackets inside strings do not nest.
  EXPECT_EQ(parse_json("\"" + std::string(300, '[') + "\\\"" + std::string(300, '{') + "\"")
                .get<std::string>()
                .size(),
            601U);
}

TEST(ParseJson, SaysInWordsWhatIsWrong) {
  EXPECT_EQ(thrown_text<DataError>([] { parse_json("[1e999]"); }),
            "damaged JSON: number overflow parsing '1e999'");
  EXPECT_TRUE(thrown_text<DataError>([] {
                parse_json("{\"a\" 1}");
              }).starts_with("damaged JSON at byte 6: parse error at line 1, column 6"));
  EXPECT_FALSE(try_parse_json("[1e999]"));
}

}  // namespace
}  // namespace apollo
