#include "infer/task_file.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"
#include "base/json_lines.h"
#include "data/byte_source.h"

namespace apollo {

namespace fs = std::filesystem;

namespace {

constexpr const char* kSuffix = ".jsonl";

// Returns the name without a suffix of compression.
fs::path unpacked_name(const fs::path& path) {
  return is_compression_suffix(path.extension()) ? path.stem() : path.filename();
}

class LineReader {
 public:
  explicit LineReader(const fs::path& path) : source_(ByteSource::open(path)) {}

  // Returns false at the end; the last line needs no line end.
  bool next(std::string& line) {
    while (true) {
      const size_t end = buffer_.find('\n', begin_);
      if (end != std::string::npos) {
        line = buffer_.substr(begin_, end - begin_);
        begin_ = end + 1;
        return true;
      }
      buffer_.erase(0, begin_);
      begin_ = 0;
      std::array<char, 1 << 16> chunk;
      const size_t count = source_->read(chunk);
      if (count == 0) break;
      buffer_.append(chunk.data(), count);
    }
    line = std::exchange(buffer_, {});
    return !line.empty();
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::string buffer_;
  size_t begin_ = 0;
};

TaskItem parse_item(const std::string& text, const std::string& path, int64_t line,
                    const std::vector<std::string>& keys) {
  const Json json = try_parse_json(text).value_or(Json());
  if (!json.is_object()) {
    fail<DataError>("{}:{}: expected a JSON object, found '{}'", path, line, text.substr(0, 40));
  }
  TaskItem item{line, {}};
  for (const std::string& key : keys) {
    const auto found = json.find(key);
    if (found == json.end()) fail<DataError>("{}:{}: the key '{}' is missing", path, line, key);
    if (!found->is_string()) {
      fail<DataError>("{}:{}: '{}' must be a string (got {})", path, line, key, found->dump());
    }
    item.texts.push_back(found->get<std::string>());
  }
  return item;
}

}  // namespace

std::vector<TaskItem> read_task_file(const fs::path& path, const std::vector<std::string>& keys,
                                     int64_t max_items) {
  LineReader reader(path);
  std::vector<TaskItem> items;
  std::string line;
  for (int64_t number = 1; reader.next(line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    items.push_back(parse_item(line, path.string(), number, keys));
    if (static_cast<int64_t>(items.size()) == max_items) break;
  }
  if (items.empty()) fail<DataError>("{}: holds no line of JSON", path.string());
  return items;
}

std::string task_file_name(const fs::path& path) {
  const fs::path name = unpacked_name(path);
  return (name.extension() == kSuffix ? name.stem() : name).string();
}

std::vector<fs::path> find_task_files(const fs::path& path) {
  if (!fs::exists(path)) fail<DataError>("{}: no such folder or file", path.string());
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    if (unpacked_name(entry.path()).extension() == kSuffix) files.push_back(entry.path());
  }
  if (files.empty()) fail<DataError>("{}: the folder holds no *.jsonl", path.string());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace apollo
