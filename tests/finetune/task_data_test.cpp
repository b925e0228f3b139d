#include "finetune/task_data.h"

#include <gtest/gtest.h>

#include "finetune/written_files.h"

namespace apollo {
namespace {

class TaskTables : public testing::Test {
 protected:
  // A task over train.tsv and dev.tsv with columns "text" and "label".
  ResolvedTask task(const std::string& train, const std::string& dev,
                    const std::vector<std::string>& overrides = {}) {
    write_text(dir_, "train.tsv", train);
    write_text(dir_, "dev.tsv", dev);
    return load_task(
        write_text(dir_, "task.toml", "[task]\ntrain = \"train.tsv\"\ndev = \"dev.tsv\"\n"),
        overrides);
  }
  std::string error(const std::string& train, const std::string& dev,
                    const std::vector<std::string>& overrides = {}) {
    return error_text<DataError>(dir_, [&] { load_task_data(task(train, dev, overrides)); });
  }

  TempDir dir_;
};

TEST_F(TaskTables, LabelsAreThoseOfTheTrainingTablesSorted) {
  const TaskData data =
      load_task_data(task("text\tlabel\na\tyes\nb\tno\n", "text\tlabel\nc\tyes\n"));
  EXPECT_EQ(data.labels, (std::vector<std::string>{"no", "yes"}));
  EXPECT_EQ(data.train.classes, (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(data.dev.texts, (std::vector<std::string>{"c"}));
  EXPECT_EQ(data.positive_class, 1);
}

TEST_F(TaskTables, NumbersAsLabelsAreSortedByValue) {
  const TaskData data =
      load_task_data(task("text\tlabel\na\t10\nb\t9\nc\t-1\n", "text\tlabel\nc\t9\n"));
  EXPECT_EQ(data.labels, (std::vector<std::string>{"-1", "9", "10"}));
}

TEST_F(TaskTables, TheSampleKeepsOrderAndIsTheSameEveryTime) {
  std::string train = "text\tlabel\n";
  for (int i = 0; i < 100; ++i)
    train += fmt::format("t{:02}\t{}\n", i, i % 2);
  const ResolvedTask sampled = task(train, "text\tlabel\nc\t1\n", {"train.max_train_rows=20"});
  const TaskData data = load_task_data(sampled);
  ASSERT_EQ(data.train.size(), 20);
  EXPECT_TRUE(std::is_sorted(data.train.texts.begin(), data.train.texts.end()));
  EXPECT_EQ(load_task_data(sampled).train.texts, data.train.texts);
  for (size_t i = 0; i < 20; ++i)
    EXPECT_EQ(std::stoi(data.train.texts[i].substr(1)) % 2, data.train.classes[i]);
}

TEST_F(TaskTables, TestTablesNeedNoLabels) {
  write_text(dir_, "test.tsv", "index\ttext\n0\tx\n");
  const TaskData data = load_task_data(
      task("text\tlabel\na\t1\nb\t0\n", "text\tlabel\nc\t1\n", {"task.test=test.tsv"}));
  EXPECT_EQ(data.test.texts, (std::vector<std::string>{"x"}));
  EXPECT_TRUE(data.test.classes.empty());
}

TEST_F(TaskTables, NamesUnknownLabels) {
  EXPECT_EQ(error("text\tlabel\na\t1\nb\t0\n", "text\tlabel\nc\t1\nd\t2\n"),
            "DIR/dev.tsv:3: unknown label '2'; expected one of '0', '1'");
  EXPECT_EQ(
      error("text\tlabel\na\t1\nb\tno\n", "text\tlabel\nc\t1\n", {"task.labels=[\"0\", \"1\"]"}),
      "DIR/train.tsv:3: unknown label 'no'; expected one of '0', '1'");
}

TEST_F(TaskTables, ALabelIsOneClassAndHasAName) {
  const std::string dev = "text\tlabel\nc\tno\n";
  EXPECT_EQ(error("text\tlabel\na\tyes\nb\t\nc\tno\n", dev),
            "DIR/train.tsv:3: the label is empty; hint: leave out rows that have none");
  EXPECT_EQ(error("text\tlabel\na\tgood\nb\tno\nc\tgood \n", dev),
            "DIR/train.tsv:4: label 'good ' differs from 'good' (DIR/train.tsv:2) by blanks alone");
  EXPECT_EQ(error("text\tlabel\na\t1\nb\t0\nc\t1.0\n", dev),
            "DIR/train.tsv:4: label '1.0' is the same number as '1' (DIR/train.tsv:2)");
  write_text(dir_, "train.jsonl",
             "{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": \"a\", \"label\": \"x\\ty\"}\n");
  EXPECT_EQ(error("", dev, {"task.train=train.jsonl"}),
            "DIR/train.jsonl:2: label 'x\\ty' holds a tab or a line end");
}

TEST_F(TaskTables, RowsMayHaveIds) {
  const TaskData data = load_task_data(task("text\tlabel\tkey\na\t1\tA7\nb\t0\tB\n",
                                            "text\tlabel\tkey\nc\t1\tC1\n", {"task.id=key"}));
  EXPECT_EQ(data.train.ids, (std::vector<std::string>{"A7", "B"}));
  EXPECT_EQ(data.dev.ids, (std::vector<std::string>{"C1"}));
  EXPECT_EQ(error("text\tlabel\na\t1\n", "text\tlabel\nc\t1\n", {"task.id=key"}),
            "DIR/train.tsv:1: there is no column 'key' (task.id); the header has 'text', 'label'; "
            "hint: header = false where there is none");
}

TEST_F(TaskTables, NumbersAreReadAsPythonReadsThem) {
  const TaskData data =
      load_task_data(task("text\tlabel\na\t+1.5\nb\t 0\nc\t2.\nd\t.5 \ne\t-1e-2\n",
                          "text\tlabel\nc\t1\n", {"task.kind=regression"}));
  EXPECT_EQ(data.train.numbers, (std::vector<double>{1.5, 0.0, 2.0, 0.5, -0.01}));
}

TEST_F(TaskTables, RegressionNeedsNumbers) {
  const std::vector<std::string> regression = {"task.kind=regression"};
  EXPECT_EQ(load_task_data(task("text\tlabel\na\t2.5\n", "text\tlabel\nb\t-1e1\n", regression))
                .dev.numbers,
            (std::vector<double>{-10.0}));
  for (const char* label : {"high", "", "1.0x", "nan", "+-1", "1 2"}) {
    EXPECT_EQ(error("text\tlabel\na\t2.5\n", fmt::format("text\tlabel\nb\t1\nc\t{}\n", label),
                    regression),
              fmt::format("DIR/dev.tsv:3: expected a number, found label '{}'", label));
  }
}

TEST_F(TaskTables, OneClassIsNoTask) {
  EXPECT_EQ(error("text\tlabel\na\t1\nb\t1\n", "text\tlabel\nc\t1\n"),
            "DIR/train.tsv: all rows have the label '1'; expected two classes or more");
}

TEST_F(TaskTables, ATableNeedsRows) {
  EXPECT_EQ(error("text\tlabel\na\t1\nb\t0\n", "text\tlabel\n"),
            "DIR/dev.tsv: the table has no rows");
}

TEST_F(TaskTables, ThePositiveLabelIsOneOfThem) {
  const std::string message = error_text<ConfigError>(dir_, [&] {
    load_task_data(
        task("text\tlabel\na\t1\nb\t0\n", "text\tlabel\nc\t1\n", {"task.positive_label=yes"}));
  });
  EXPECT_EQ(message,
            "--set: error: task.positive_label 'yes' is no label of the training tables\n"
            "  hint: they have '0', '1'");
}

TEST_F(TaskTables, TheHashIsOfTheContent) {
  const ResolvedTask one = task("text\tlabel\na\t1\n", "text\tlabel\nb\t1\n");
  const std::string train = hash_tables(one, one.config.task.train);
  EXPECT_EQ(hash_tables(one, one.config.task.train), train);
  EXPECT_NE(hash_tables(one, one.config.task.dev), train);
}

}  // namespace
}  // namespace apollo
