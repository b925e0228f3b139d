#include "base/json_lines.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace apollo {

JsonLinesWriter::JsonLinesWriter(const std::filesystem::path& path, int64_t keep_bytes)
    : path_(path), size_(keep_bytes) {
  file_ = std::fopen(path.c_str(), "ae");
  if (file_ == nullptr) fail<Error>("{}: cannot write: {}", path.string(), std::strerror(errno));
  const auto found = static_cast<int64_t>(std::filesystem::file_size(path));
  if (found < keep_bytes || ::ftruncate(::fileno(file_), keep_bytes) != 0) {
    std::fclose(file_);
    fail<Error>("{}: expected at least {} bytes, found {}", path.string(), keep_bytes, found);
  }
}

JsonLinesWriter::~JsonLinesWriter() {
  std::fclose(file_);
}

void JsonLinesWriter::write(const Json& object) {
  const std::string line = object.dump() + '\n';
  if (std::fwrite(line.data(), 1, line.size(), file_) != line.size()) {
    fail<Error>("{}: cannot write: {}", path_.string(), std::strerror(errno));
  }
  size_ += static_cast<int64_t>(line.size());
}

int64_t JsonLinesWriter::flush() {
  if (std::fflush(file_) != 0) {
    fail<Error>("{}: cannot write: {}", path_.string(), std::strerror(errno));
  }
  return size_;
}

void read_json_lines(const std::filesystem::path& path, const std::function<void(Json&&)>& row) {
  const MappedFile file(path);
  std::string_view rest = file.text();
  for (int64_t number = 1; !rest.empty(); ++number) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (object.is_object()) {
      row(std::move(object));
    } else if (end != std::string_view::npos) {
      fail<DataError>("{}:{}: expected a JSON object, found '{}'", path.string(), number,
                      line.substr(0, 60));
    }
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
}

Json read_json(const std::filesystem::path& path) {
  const MappedFile file(path);
  try {
    return Json::parse(file.text());
  } catch (const Json::parse_error& error) {
    fail<DataError>("{}: damaged JSON at byte {}: {}", path.string(), error.byte, error.what());
  }
}

}  // namespace apollo
