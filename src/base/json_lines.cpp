#include "base/json_lines.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace apollo {
namespace {

constexpr int64_t kDeepest = 100;

// Where brackets outside of strings nest deeper than that; npos: nowhere.
size_t find_too_deep(std::string_view text) {
  int64_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kDeepest) return i;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return std::string_view::npos;
}

// What the library says, without the name and number that it puts before it.
std::string words_of(const Json::exception& error) {
  const std::string_view text = error.what();
  const size_t end = text.find("] ");
  return std::string(text.substr(end == std::string_view::npos ? 0 : end + 2));
}

}  // namespace

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
    fail<DataError>("damaged JSON at byte {}: nested deeper than {}", deep + 1, kDeepest);
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
