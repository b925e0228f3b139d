// JSON, one object a line. The writer appends and knows its offset, so that a resumed run can cut
// off what came after its checkpoint; the reader forgives a last line without its end, which a
// kill can leave behind, and nothing else.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace apollo {

using Json = nlohmann::ordered_json;

class JsonLinesWriter {
 public:
  // Opens for appending after the first `keep_bytes` bytes; what follows them is cut off.
  // Throws Error where the file is shorter than that.
  JsonLinesWriter(const std::filesystem::path& path, int64_t keep_bytes);
  ~JsonLinesWriter();
  JsonLinesWriter(const JsonLinesWriter&) = delete;
  JsonLinesWriter& operator=(const JsonLinesWriter&) = delete;

  void write(const Json& object);
  // Hands everything to the system and returns the file's length in bytes.
  int64_t flush();

 private:
  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
  int64_t size_ = 0;
};

// Calls `row` for each object of the file; throws DataError with file:line where a line is damaged.
void read_json_lines(const std::filesystem::path& path, const std::function<void(Json&&)>& row);

// All JSON that others wrote comes through these two. Values nested deeper than 100 are refused: to
// copy, print or destroy them would overflow the stack. Numbers that no double holds are too.
Json parse_json(std::string_view text);  // throws DataError that says what is wrong at which byte
std::optional<Json> try_parse_json(std::string_view text);

// Parses a whole JSON file; throws DataError with file and position where it is damaged.
Json read_json(const std::filesystem::path& path);

}  // namespace apollo
