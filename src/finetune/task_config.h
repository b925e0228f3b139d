// One fine-tuning task as a typed struct. Field names are the keys of TASK.toml, and defaults are
// the program's. visit_task_fields() calls a visitor with each field once, as config/fields.h does
// for RUN.toml. Parsing, help and the record of what a result depends on all use it.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/enum_names.h"
#include "config/fields.h"
#include "config/toml_source.h"
#include "finetune/pooling.h"

namespace apollo {

enum class TaskKind { kClassification, kRegression };
enum class Metric { kAccuracy, kF1, kMatthews, kPearson, kSpearman, kRmse, kMae };
enum class TableFormat { kAuto, kTsv, kCsv, kJsonl };

template <>
inline constexpr std::array<std::string_view, 2> kEnumNames<TaskKind> = {"classification",
                                                                         "regression"};
template <>
inline constexpr std::array<std::string_view, 7> kEnumNames<Metric> = {
    "accuracy", "f1", "matthews", "pearson", "spearman", "rmse", "mae"};
template <>
inline constexpr std::array<std::string_view, 4> kEnumNames<TableFormat> = {"auto", "tsv", "csv",
                                                                            "jsonl"};

// A column by its name, or by its number from 0 if the table has no header. With neither there is
// none.
struct ColumnRef {
  std::string name;
  std::optional<int64_t> number;

  bool empty() const { return name.empty() && !number; }
  bool operator==(const ColumnRef&) const = default;
};

std::string toml_text(const ColumnRef& column);

struct TaskConfig {
  struct Task {
    std::string name = "task";
    TaskKind kind = TaskKind::kClassification;
    std::vector<std::string> train;  // several files are read as one
    std::vector<std::string> dev;
    std::vector<std::string> test;
    std::string base_dir;
    TableFormat format = TableFormat::kAuto;
    bool header = true;
    ColumnRef text = {"text", std::nullopt};
    ColumnRef text_pair;
    ColumnRef label = {"label", std::nullopt};
    ColumnRef id;
    std::vector<std::string> labels;
    std::string positive_label;
    Metric metric = Metric::kAccuracy;
  } task;

  struct Train {
    std::vector<double> lr = {1e-4};
    std::vector<int64_t> epochs = {3};
    std::vector<uint64_t> seeds = {1, 2, 3};
    int64_t batch_size = 32;
    int64_t max_length = 0;
    Duration warmup = {10.0, DurationUnit::kPercent};
    double weight_decay = 0.01;
    double clip = 1.0;
    double dropout = 0.1;
    int64_t depth = 0;
    Pooling pooling = Pooling::kAuto;
    int64_t max_train_rows = 0;
    Precision precision = Precision::kFp32;
  } train;
};

// Effect::kResult: a finished run with another value cannot be kept next to new ones. The grids are
// kNone, because each run is filed under its own point of them.
template <class Visitor, class... Configs>
void visit_task_section(Visitor&& visit, Configs&... c) {
  visit(Field{"task", "name", Effect::kNone, "results go to runs/finetune-NAME unless --out"},
        c.task.name...);
  visit(Field{"task", "kind", Effect::kResult, "what is predicted"}, c.task.kind...);
  visit(Field{"task", "train", Effect::kNone, "tables to learn from, read as one"},
        c.task.train...);
  visit(Field{"task", "dev", Effect::kNone, "tables that choose epoch and learning rate"},
        c.task.dev...);
  visit(Field{"task", "test", Effect::kNone, "tables to predict only; their labels are not read"},
        c.task.test...);
  visit(Field{"task", "base_dir", Effect::kNone,
              "folder that tables start from: relative to the task file, or, by --set, to the "
              "current folder"},
        c.task.base_dir...);
  visit(Field{"task", "format", Effect::kResult,
              "auto: by the file's name; tsv has no quoting, csv that of RFC 4180"},
        c.task.format...);
  visit(Field{"task", "header", Effect::kResult, "whether the first line names the columns"},
        c.task.header...);
  visit(Field{"task", "text", Effect::kResult,
              "column of the text: its name, or its number from 0 without a header"},
        c.task.text...);
  visit(Field{"task", "text_pair", Effect::kResult, "column of the second text; empty: none"},
        c.task.text_pair...);
  visit(Field{"task", "label", Effect::kResult, "column of the label or number"}, c.task.label...);
  visit(Field{"task", "id", Effect::kNone,
              "column that names a row in the predictions; empty: they repeat its text"},
        c.task.id...);
  visit(Field{"task", "labels", Effect::kResult,
              "classes in the order of their ids; empty: those of the training tables, sorted"},
        c.task.labels...);
  visit(Field{"task", "positive_label", Effect::kResult,
              "class that f1 is of, where there are two; empty: the last"},
        c.task.positive_label...);
  visit(Field{"task", "metric", Effect::kResult,
              "what is best; f1 is macro-averaged for more than two classes "
              "(left out: accuracy or pearson)"},
        c.task.metric...);
}

template <class Visitor, class... Configs>
void visit_task_train_section(Visitor&& visit, Configs&... c) {
  visit(Field{"train", "lr", Effect::kNone, "peak learning rates to try; linear decay to 0"},
        c.train.lr...);
  visit(Field{"train", "epochs", Effect::kNone, "lengths to try, each a run of its own"},
        c.train.epochs...);
  visit(Field{"train", "seeds", Effect::kNone, "runs of each lr and length"}, c.train.seeds...);
  visit(Field{"train", "batch_size", Effect::kResult, "rows in an optimizer step"},
        c.train.batch_size...);
  visit(Field{"train", "max_length", Effect::kResult,
              "tokens of a row, longer ones are cut; 0: the model's context"},
        c.train.max_length...);
  visit(Field{"train", "warmup", Effect::kResult, "length of the linear rise: %, steps or epochs"},
        c.train.warmup...);
  visit(Field{"train", "weight_decay", Effect::kResult, "on matrices only"},
        c.train.weight_decay...);
  visit(Field{"train", "clip", Effect::kResult, "largest gradient norm; 0: no clipping"},
        c.train.clip...);
  visit(Field{"train", "dropout", Effect::kResult, "probability, in [0, 1)"}, c.train.dropout...);
  visit(Field{"train", "depth", Effect::kResult, "blocks of the model; 0: its final depth"},
        c.train.depth...);
  visit(
      Field{"train", "pooling", Effect::kResult,
            "modernbert: whether the head reads the first token, or the mean of all; auto: as the "
            "model's config.json says, else cls"},
      c.train.pooling...);
  visit(Field{"train", "max_train_rows", Effect::kResult,
              "size of the sample to learn from, the same for all runs; 0: all rows"},
        c.train.max_train_rows...);
  visit(Field{"train", "precision", Effect::kResult, "of activations and products"},
        c.train.precision...);
}

// Calls visit(field, value...) for every field of the configs, in the order of the file.
template <class Visitor, class... Configs>
void visit_task_fields(Visitor&& visit, Configs&... configs) {
  visit_task_section(visit, configs...);
  visit_task_train_section(visit, configs...);
}

struct ResolvedTask {
  TaskConfig config;
  std::filesystem::path file;                  // as given
  std::map<std::string, std::string> origins;  // "sst2.toml:4:9" or "--set", by key

  // Returns the tables of a key as paths that can be opened.
  std::vector<std::filesystem::path> tables(const std::vector<std::string>& names) const;
};

// Reads TASK.toml with `overrides` ("train.lr=1e-3"). Throws ConfigError with all faults of values
// and combinations.
ResolvedTask load_task(const TomlSource& source, const std::vector<std::string>& overrides);

// Returns all keys with defaults, choices and help: `apollo finetune --help-config`.
std::string task_reference();

// Throws a fault of a key as a ConfigError that points to its place in the file.
[[noreturn]] void fail_at_key(const ResolvedTask& task, const std::string& key,
                              const std::string& message, const std::string& hint);

}  // namespace apollo
