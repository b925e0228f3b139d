#include "base/json_lines.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/json_checks.h"

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
    std::optional<Json> object = try_parse_json(line);
    if (object && object->is_object()) {
      row(std::move(*object));
    } else if (end != std::string_view::npos) {
      fail<DataError>("{}:{}: expected a JSON object, found '{}'", path.string(), number,
                      line.substr(0, 60));
    }
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
}

Json parse_json(std::string_view text) {
  const size_t deep = find_too_deep(text);
  if (deep != std::string_view::npos) {
    fail<DataError>("damaged JSON at byte {}: nested deeper than 100", deep + 1);
  }
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    fail<DataError>("damaged JSON at byte {}: {}", error.byte, words_of(error));
  } catch (const Json::exception& error) {
    fail<DataError>("damaged JSON: {}", words_of(error));
  }
}

std::optional<Json> try_parse_json(std::string_view text) {
  if (find_too_deep(text) != std::string_view::npos) return std::nullopt;
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return json.is_discarded() ? std::nullopt : std::optional(std::move(json));
}

Json read_json(const std::filesystem::path& path) {
  const MappedFile file(path);
  try {
    return parse_json(file.text());
  } catch (const DataError& error) {
    fail<DataError>("{}: {}", path.string(), error.what());
  }
}

}  // namespace apollo
