#include "data/input_files.h"

#include <glob.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "data/text_form.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

std::string escape_glob(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string_view("*?[]\\").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::vector<fs::path> glob_paths(const std::string& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<fs::path> paths;
  for (size_t i = 0; status == 0 && i < found.gl_pathc; i++)
    paths.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  return paths;
}

bool is_hidden(const fs::path& path) {
  return path.filename().string().starts_with('.');
}

// Adds `dir` and all folders below it, except hidden ones.
void add_folders(const fs::path& dir, std::vector<fs::path>& folders) {
  folders.push_back(dir);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    if (entry.is_directory(error) && !entry.is_symlink(error) && !is_hidden(entry.path())) {
      add_folders(entry.path(), folders);
    }
  }
}

// Adds the paths that match `pattern`. glob(3) would read ** as *. A ** at the end means files.
void match(const std::string& pattern, std::set<fs::path>& matches) {
  constexpr std::string_view kAnyDepth = "/**";
  size_t at = pattern.find(kAnyDepth);
  while (at != std::string::npos && at + kAnyDepth.size() < pattern.size() &&
         pattern[at + kAnyDepth.size()] != '/') {
    at = pattern.find(kAnyDepth, at + 1);
  }
  if (at == std::string::npos) {
    for (const fs::path& path : glob_paths(pattern))
      matches.insert(path.lexically_normal());
    return;
  }
  const std::string rest = pattern.substr(at + kAnyDepth.size());
  for (const fs::path& root : glob_paths(at == 0 ? "/" : pattern.substr(0, at))) {
    if (!fs::is_directory(root)) continue;
    std::vector<fs::path> folders;
    add_folders(root, folders);
    for (const fs::path& folder : folders) {
      std::set<fs::path> below;
      match(escape_glob(folder.string()) + (rest.empty() ? "/*" : rest), below);
      for (const fs::path& path : below) {
        if (!rest.empty() || !fs::is_directory(path)) matches.insert(path);
      }
    }
  }
}

}  // namespace

std::vector<fs::path> expand_pattern(const std::string& key, const std::string& pattern,
                                     const fs::path& base_dir) {
  const fs::path literal = (base_dir / pattern).lexically_normal();
  if (fs::exists(literal)) return {literal};
  const bool is_absolute = fs::path(pattern).is_absolute();
  std::set<fs::path> matches;
  match(is_absolute ? pattern : escape_glob((base_dir / "").string()) + pattern, matches);
  if (!is_absolute && pattern.starts_with("**") && base_dir.empty()) match("./" + pattern, matches);
  if (matches.empty()) {
    fail<DataError>("{}: no file matches '{}' (looked in '{}')", key, pattern,
                    fs::absolute(base_dir).lexically_normal().string());
  }
  return {matches.begin(), matches.end()};
}

std::vector<fs::path> text_files_in(const std::string& key, const fs::path& dir) {
  std::vector<fs::path> folders;
  add_folders(dir, folders);
  std::vector<fs::path> files;
  int64_t num_other = 0;
  for (const fs::path& folder : folders) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (!entry.is_regular_file() || is_hidden(entry.path())) continue;
      if (is_no_text_name(entry.path())) {
        ++num_other;
      } else {
        files.push_back(entry.path());
      }
    }
  }
  if (files.empty()) fail<DataError>("{}: no text file in the folder '{}'", key, dir.string());
  std::sort(files.begin(), files.end());
  log_info(
      "{}: {} text files in '{}'{}", key, files.size(), dir.string(),
      num_other > 0 ? fmt::format(" ({} files of other forms are passed over)", num_other) : "");
  return files;
}

}  // namespace apollo
