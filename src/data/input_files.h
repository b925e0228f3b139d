// The files that the user's words for text come to: paths, patterns (*, ?, [...], and ** for any
// depth of folders) and folders, which mean the text files in them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace apollo {

// The paths that `pattern` stands for, sorted; a path that exists stands for itself. Relative ones
// start from `base_dir`. Throws DataError naming `key` where there is none.
std::vector<std::filesystem::path> expand_pattern(const std::string& key,
                                                  const std::string& pattern,
                                                  const std::filesystem::path& base_dir);

// The text files in the folder `dir` and those below it, sorted: every file but hidden ones and
// those whose names say that they are no text. Links to folders are not followed. Throws DataError
// naming `key` where there is none.
std::vector<std::filesystem::path> text_files_in(const std::string& key,
                                                 const std::filesystem::path& dir);

}  // namespace apollo
