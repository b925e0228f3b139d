#include "finetune/table_reader.h"

#include <gtest/gtest.h>

#include "finetune/written_files.h"

namespace apollo {
namespace {

using Fields = std::vector<std::vector<std::string>>;

const std::vector<WantedColumn> kTextAndLabel = {{"task.text", {"sentence", {}}},
                                                 {"task.label", {"label", {}}}};
const std::vector<WantedColumn> kNumbered = {{"task.text", {"", 2}}, {"task.label", {"", 0}}};

class TableReader : public testing::Test {
 protected:
  std::vector<TableRow> read(const std::string& name, const std::string& content,
                             bool header = true,
                             const std::vector<WantedColumn>& wanted = kTextAndLabel) {
    return read_table(write_text(dir_, name, content), TableFormat::kAuto, header, wanted);
  }
  Fields fields(const std::string& name, const std::string& content, bool header = true,
                const std::vector<WantedColumn>& wanted = kTextAndLabel) {
    Fields found;
    for (const TableRow& row : read(name, content, header, wanted))
      found.push_back(row.fields);
    return found;
  }
  std::string error(const std::string& name, const std::string& content, bool header = true,
                    const std::vector<WantedColumn>& wanted = kTextAndLabel) {
    return error_text<DataError>(dir_, [&] { read(name, content, header, wanted); });
  }

  TempDir dir_;
};

TEST_F(TableReader, TsvTakesQuotesAsTheyAre) {
  EXPECT_EQ(fields("a.tsv", "label\tsentence\n1\t\"so\" he said\n0\t\"no\n"),
            (Fields{{"\"so\" he said", "1"}, {"\"no", "0"}}));
}

TEST_F(TableReader, PassesOverMarkCarriageReturnsAndEmptyLinesAtTheEnd) {
  EXPECT_EQ(fields("a.tsv", "\xEF\xBB\xBFsentence\tlabel\r\na b\t1\r\nc\t0\r\n\r\n\n"),
            (Fields{{"a b", "1"}, {"c", "0"}}));
  EXPECT_EQ(fields("a.csv", "\xEF\xBB\xBFsentence,label\r\na b,1\r\n"), (Fields{{"a b", "1"}}));
}

TEST_F(TableReader, TakesALastLineWithoutItsEnd) {
  EXPECT_EQ(fields("a.tsv", "sentence\tlabel\na\t1\nb\t0"), (Fields{{"a", "1"}, {"b", "0"}}));
  EXPECT_EQ(fields("a.csv", "sentence,label\na,"), (Fields{{"a", ""}}));
}

TEST_F(TableReader, NumbersColumnsWithoutAHeader) {
  // STS-B: some rows continue after the wanted columns.
  EXPECT_EQ(fields("a.tsv", "1\tx\tfirst\n0\ty\tsecond\tsource\n", false, kNumbered),
            (Fields{{"first", "1"}, {"second", "0"}}));
}

TEST_F(TableReader, KnowsTheLineOfEveryRow) {
  const auto rows = read("a.csv", "sentence,label\n\"two\nlines\",1\nc,0\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].line, 2);
  EXPECT_EQ(rows[0].fields[0], "two\nlines");
  EXPECT_EQ(rows[1].line, 4);
}

TEST_F(TableReader, CsvQuotesAsRfc4180) {
  EXPECT_EQ(fields("a.csv", "label,sentence\n1,\"a, \"\"b\"\"\"\n0,\"\"\n2,c \"d\"\n"),
            (Fields{{"a, \"b\"", "1"}, {"", "0"}, {"c \"d\"", "2"}}));
}

TEST_F(TableReader, JsonLinesTakeTextAndNumbers) {
  EXPECT_EQ(fields("a.jsonl",
                   "{\"label\": 1, \"sentence\": \"a\\tb\", \"x\": null}\n"
                   "{\"sentence\": \"\", \"label\": \"no\"}\n\n"),
            (Fields{{"a\tb", "1"}, {"", "no"}}));
}

TEST_F(TableReader, NamesWhatIsWrong) {
  EXPECT_EQ(error("a.tsv", "sentance\tlabel\na\t1\n"),
            "DIR/a.tsv:1: there is no column 'sentence' (task.text); the header has 'sentance', "
            "'label'; did you mean 'sentance'?");
  EXPECT_EQ(error("a.tsv", "a b c d e f\t1\n"),
            "DIR/a.tsv:1: there is no column 'sentence' (task.text); the header has 'a b c d e f', "
            "'1'; hint: header = false where there is none");
  EXPECT_EQ(error("a.tsv", "sentence\tlabel\na\t1\nb\t2\t3\n"),
            "DIR/a.tsv:3: expected 2 fields, as in the header, found 3");
  EXPECT_EQ(error("a.tsv", "sentence\tlabel\tlabel\na\t1\t2\n"),
            "DIR/a.tsv:1: there are two columns 'label' (task.label); hint: rename one of them");
  EXPECT_EQ(error("a.tsv", "sentence\tlabel\na\t1\nsentence\tlabel\nb\t2\n"),
            "DIR/a.tsv:3: the header stands here once more; hint: name each file in the task");
  EXPECT_EQ(error("a.tsv", "1\tx\n", false, kNumbered),
            "DIR/a.tsv:1: expected 3 fields or more, found 2");
  EXPECT_EQ(error("a.tsv", "sentence\tlabel\na\t1\n\nb\t1\n"), "DIR/a.tsv:3: the row is empty");
  EXPECT_EQ(error("a.tsv", ""), "DIR/a.tsv:1: the file is empty; expected a header");
  EXPECT_EQ(error("a.tsv", "sentence\tlabel\na\t1\ncaf\xE9\t0\n"),
            "DIR/a.tsv:3: the text is not UTF-8; hint: `iconv -f latin1 -t utf-8`, or whatever it "
            "is in");
  EXPECT_EQ(error("a.csv", "sentence,label\n\"a,1\nb,0\n"),
            "DIR/a.csv:2: a quote is never closed; hint: a table without quoting is format = "
            "\"tsv\"");
  EXPECT_EQ(error("a.csv", "sentence,label\n\"a\"b,1\n"),
            "DIR/a.csv:2: expected ',' after a quoted field, found 'b'");
  EXPECT_EQ(error("a.jsonl", "{\"label\": 1}\n"),
            "DIR/a.jsonl:1: there is no field 'sentence' (task.text); the object has 'label'");
  EXPECT_EQ(error("a.jsonl", "{\"sentence\": \"a\", \"label\": 1}\n[1]\n"),
            "DIR/a.jsonl:2: expected a JSON object");
  EXPECT_EQ(error("a.jsonl", "{\"sentence\": null, \"label\": 1}\n"),
            "DIR/a.jsonl:1: field 'sentence': expected text or a number, found null");
  EXPECT_EQ(error("a.jsonl", "{\"sentence\": \"a\"}\n", false, kNumbered),
            "DIR/a.jsonl:1: task.text is column 2, but the fields of JSON lines have names");
  EXPECT_EQ(error("a.txt", "x"),
            "DIR/a.txt: expected a name that ends in .tsv, .csv or .jsonl; hint: task.format says "
            "what a file of another name is");
  EXPECT_EQ(error_text<DataError>(
                dir_, [&] { read_table(dir_ / "none.tsv", TableFormat::kTsv, true, {}); }),
            "DIR/none.tsv: there is no such file");
}

}  // namespace
}  // namespace apollo
