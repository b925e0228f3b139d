#include "finetune/task_config.h"

#include <gtest/gtest.h>

#include "finetune/written_files.h"

namespace apollo {
namespace {

constexpr const char* kMinimal = "[task]\ntrain = \"train.tsv\"\ndev = \"dev.tsv\"\n";

class TaskConfigFile : public testing::Test {
 protected:
  ResolvedTask load(const std::string& content, const std::vector<std::string>& overrides = {}) {
    return load_task(write_text(dir_, "task.toml", content), overrides);
  }
  std::string error(const std::string& content, const std::vector<std::string>& overrides = {}) {
    return error_text<ConfigError>(dir_, [&] { load(content, overrides); });
  }

  TempDir dir_;
};

TEST_F(TaskConfigFile, ReadsEveryKindOfValue) {
  const TaskConfig config = load(R"([task]
name = "sts"
kind = "regression"
train = ["a.tsv", "b.tsv"]
dev = "dev.tsv"
format = "tsv"
header = false
text = 5
text_pair = 6
label = 4
[train]
lr = [1e-4, 3e-4]
epochs = [2, 3]
seeds = 7
warmup = "100 steps"
precision = "bf16"
)")
                                .config;
  EXPECT_EQ(config.task.kind, TaskKind::kRegression);
  EXPECT_EQ(config.task.train, (std::vector<std::string>{"a.tsv", "b.tsv"}));
  EXPECT_EQ(config.task.format, TableFormat::kTsv);
  EXPECT_FALSE(config.task.header);
  EXPECT_EQ(config.task.text, (ColumnRef{"", 5}));
  EXPECT_EQ(config.task.text_pair, (ColumnRef{"", 6}));
  EXPECT_EQ(config.task.metric, Metric::kPearson);
  EXPECT_EQ(config.train.lr, (std::vector<double>{1e-4, 3e-4}));
  EXPECT_EQ(config.train.seeds, (std::vector<uint64_t>{7}));
  EXPECT_EQ(config.train.warmup, (Duration{100, DurationUnit::kSteps}));
  EXPECT_EQ(config.train.precision, Precision::kBf16);
}

TEST_F(TaskConfigFile, OverridesWin) {
  const TaskConfig config =
      load(kMinimal, {"train.lr=[1e-3]", "task.text=sentence", "task.positive_label=1",
                      "task.labels=[\"0\", \"1\"]", "train.warmup=5%"})
          .config;
  EXPECT_EQ(config.train.lr, (std::vector<double>{1e-3}));
  EXPECT_EQ(config.task.text, (ColumnRef{"sentence", {}}));
  EXPECT_EQ(config.task.positive_label, "1");
  EXPECT_EQ(config.train.warmup, (Duration{5, DurationUnit::kPercent}));
}

TEST_F(TaskConfigFile, TablesStartFromTheTaskFileOrFromWhatWasTyped) {
  const std::string text = std::string(kMinimal) + "base_dir = \"glue\"\n";
  const ResolvedTask task = load(text);
  EXPECT_EQ(task.tables(task.config.task.train).at(0), dir_.path() / "glue/train.tsv");
  const ResolvedTask typed = load(text, {"task.base_dir=here"});
  EXPECT_EQ(typed.tables(typed.config.task.train).at(0), "here/train.tsv");
  const ResolvedTask absolute = load(text, {"task.base_dir=/data"});
  EXPECT_EQ(absolute.tables(absolute.config.task.dev).at(0), "/data/dev.tsv");
}

TEST_F(TaskConfigFile, ReportsAllFaultsOfNamesAndTypesAtOnce) {
  EXPECT_EQ(error(R"([task]
train = "train.tsv"
text_pear = "b"
lr = 1
kind = "classificatoin"
[trian]
x = 1
)",
                  {"train.batchsize=8", "train.clip"}),
            R"(DIR/task.toml:3:1: error: unknown key 'text_pear' in [task]
  hint: did you mean 'text_pair'?
DIR/task.toml:4:1: error: unknown key 'lr' in [task]
  hint: 'lr' is a key of [train]
DIR/task.toml:5:8: error: task.kind must be one of 'classification', 'regression' (got string 'classificatoin')
  hint: did you mean 'classification'?
DIR/task.toml:6:2: error: unknown section [trian]
  hint: did you mean 'train'?
--set: error: unknown key 'train.batchsize'
  hint: did you mean 'train.batch_size'?
--set: error: expected key=value (got 'train.clip')
  hint: for example --set train.lr=1e-4)");
}

TEST_F(TaskConfigFile, ATaskNeedsADevSet) {
  EXPECT_EQ(error("[task]\ntrain = \"train.tsv\"\n"),
            "task.dev: error: task.dev is missing: it chooses epoch and learning rate\n"
            "  hint: dev = \"dev.tsv\"; without one, set some training rows apart");
}

TEST_F(TaskConfigFile, HoldsValuesAgainstEachOther) {
  EXPECT_EQ(
      error(std::string(kMinimal) + R"(header = false
text = "sentence"
label = 1
metric = "pearson"
labels = ["a", "b", "a"]
[train]
lr = [1e-4, 0.0]
epochs = [3, 3]
dropout = 1.0
warmup = "1000 tokens"
max_length = 4
)"),
      R"(DIR/task.toml:5:8: error: task.text must be a column's number from 0, as header = false (got 'sentence')
DIR/task.toml:7:10: error: task.metric must be 'accuracy', 'f1' or 'matthews' for classification (got 'pearson')
DIR/task.toml:8:10: error: task.labels has 'a' twice
DIR/task.toml:10:6: error: train.lr must be above 0 (got 0)
DIR/task.toml:11:10: error: train.epochs has 3 twice
DIR/task.toml:12:11: error: train.dropout must be in [0, 1) (got 1)
DIR/task.toml:13:10: error: train.warmup must be in %, steps or epochs (got 1000 tokens)
DIR/task.toml:14:14: error: train.max_length must be at least 8, or 0 for the model's context (got 4))");
}

TEST_F(TaskConfigFile, RegressionHasNoLabels) {
  EXPECT_EQ(error(std::string(kMinimal) + "kind = \"regression\"\nlabels = [\"0\", \"1\"]\n"),
            "DIR/task.toml:5:10: error: regression has no labels\n"
            "  hint: leave the key out, or kind = \"classification\"");
}

TEST(TaskReference, NamesEveryKeyWithItsChoices) {
  const std::string text = task_reference();
  EXPECT_NE(text.find("metric = \"accuracy\""), std::string::npos);
  EXPECT_NE(text.find("'accuracy', 'f1', 'matthews', 'pearson', 'spearman', 'rmse', 'mae'"),
            std::string::npos);
  EXPECT_NE(text.find("seeds = [1, 2, 3]"), std::string::npos);
}

}  // namespace
}  // namespace apollo
