// Text files named on the command line.
#pragma once

#include <filesystem>
#include <vector>

#include "data/input_files.h"
#include "data/token_dataset.h"

namespace apollo {

// Returns the files that a command's FILE arguments name: files as they are, the text files of
// folders, and stdin for "-".
inline std::vector<std::filesystem::path> text_files(
    const std::vector<std::filesystem::path>& arguments) {
  std::vector<std::filesystem::path> files;
  for (const std::filesystem::path& path : arguments) {
    if (!std::filesystem::is_directory(path)) {
      files.push_back(path == "-" ? "/dev/stdin" : path);
      continue;
    }
    for (std::filesystem::path& file : text_files_in("FILE", path))
      files.push_back(std::move(file));
  }
  return files;
}

}  // namespace apollo
