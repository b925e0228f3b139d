// The rows of a task: texts with their classes or numbers, from the tables that the task names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "finetune/task_config.h"

namespace apollo {

// One entry a row; `pairs` is empty for tasks of one text, `ids` where rows have none, `classes` or
// `numbers` is filled by the kind of task, neither for rows without labels.
struct TaskRows {
  std::vector<std::string> texts;
  std::vector<std::string> pairs;
  std::vector<std::string> ids;  // of task.id
  std::vector<int64_t> classes;
  std::vector<double> numbers;

  int64_t size() const { return static_cast<int64_t>(texts.size()); }
};

struct TaskData {
  std::vector<std::string> labels;  // by class id; empty for regression
  int64_t positive_class = 0;
  TaskRows train;  // after train.max_train_rows
  TaskRows dev;
  TaskRows test;
};

// Reads all tables. Throws DataError with file and line for a label that the training tables (or
// task.labels) do not have, one that is empty, holds a tab or line end, or differs from another in
// blanks or in how a number is written alone, a number that is none, and all that read_table()
// rejects; ConfigError
// where task.positive_label is no class. Empty texts are counted and logged.
TaskData load_task_data(const ResolvedTask& task);

// A text as a field of a table without quoting: \t, \n, \r and \\ stand for what they stand for in
// C.
std::string escaped_field(std::string_view text);

// Identity of the content of tables, given by names as they stand in the task.
std::string hash_tables(const ResolvedTask& task, const std::vector<std::string>& names);

}  // namespace apollo
