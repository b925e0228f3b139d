// The rows of a task: texts with their classes or numbers, from the tables that the task names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "finetune/task_config.h"

namespace apollo {

// One entry per row. `pairs` is empty for tasks of one text, and `ids` if rows have none. The kind
// of task decides whether `classes` or `numbers` is filled; rows without labels have neither.
struct TaskRows {
  std::vector<std::string> texts;
  std::vector<std::string> pairs;
  std::vector<std::string> ids;  // from task.id
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
// task.labels) do not have, is empty, contains a tab or line end, or differs from another only in
// blanks or in how a number is written; for an invalid number; and for everything that read_table()
// rejects. Throws ConfigError if task.positive_label is not a class. Empty texts are counted and
// logged.
TaskData load_task_data(const ResolvedTask& task);

// Returns a text as a field of a table without quoting; \t, \n, \r and \\ have the same meaning as
// in C.
std::string escaped_field(std::string_view text);

// Returns a hash of the content of tables; `names` are as in the task.
std::string hash_tables(const ResolvedTask& task, const std::vector<std::string>& names);

}  // namespace apollo
