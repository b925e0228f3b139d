// The files to which the user's text arguments refer: paths, patterns (*, ?, [...], and ** for any
// depth of folders) and folders, which stand for the text files in them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace apollo {

// Returns the paths that match `pattern`, sorted; a path that exists stands for itself. Relative
// paths start from `base_dir`. Throws DataError that names `key` if there are none.
std::vector<std::filesystem::path> expand_pattern(const std::string& key,
                                                  const std::string& pattern,
                                                  const std::filesystem::path& base_dir);

// Returns the text files in the folder `dir` and below it, sorted: all files except hidden ones and
// those whose names say that they are not text. Links to folders are not followed. Throws DataError
// that names `key` if there are none.
std::vector<std::filesystem::path> text_files_in(const std::string& key,
                                                 const std::filesystem::path& dir);

}  // namespace apollo
