// Items of an evaluation task: one JSON object per line, plain or compressed (.gz, .xz, .zst).
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

// Returns the strings under `keys`, in that order, of the first `max_items` lines (0: all). Other
// keys and empty lines are skipped. Throws DataError if the file is missing or holds no item, and
// one that names file and line if a line is not an object or a key is missing or not a string.
std::vector<TaskItem> read_task_file(const std::filesystem::path& path,
                                     const std::vector<std::string>& keys, int64_t max_items);

// Returns the name of the file without .jsonl and without a suffix of compression.
std::string task_file_name(const std::filesystem::path& path);

// Returns the .jsonl files of a folder, compressed or not, by name; for a file only that file.
// Throws DataError if there are none.
std::vector<std::filesystem::path> find_task_files(const std::filesystem::path& path);

}  // namespace apollo
