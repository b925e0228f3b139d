// Items of an evaluation task: JSON, one object a line, plain or compressed (.gz, .xz, .zst).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace apollo {

struct TaskItem {
  int64_t line = 0;  // counts from 1
  std::vector<std::string> texts;
};

// The strings under `keys` of the first `max_items` lines (0: of all), in that order; other keys
// and empty lines are passed over. Throws DataError naming file and line where one is no object, or
// a key is missing or no string; and where the file is missing or holds no item.
std::vector<TaskItem> read_task_file(const std::filesystem::path& path,
                                     const std::vector<std::string>& keys, int64_t max_items);

// Name of the file without .jsonl and the suffix of a compression.
std::string task_file_name(const std::filesystem::path& path);

// The .jsonl files of a folder, compressed or not, by name; of a file that file alone. Throws
// DataError where there is none.
std::vector<std::filesystem::path> find_task_files(const std::filesystem::path& path);

}  // namespace apollo
