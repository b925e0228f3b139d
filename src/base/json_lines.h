// JSON with one object per line. The writer appends and knows its offset, so that a resumed run can
// cut off what came after its checkpoint. The reader tolerates only one fault: an incomplete last
// line, which a killed process can leave behind.
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
  // Opens the file for appending after its first `keep_bytes` bytes and cuts off the rest. Throws
  // Error if the file is shorter than that.
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

// Calls `row` for each object of the file. Throws DataError with file:line if a line is damaged.
void read_json_lines(const std::filesystem::path& path, const std::function<void(Json&&)>& row);

// These two parse all JSON that others wrote. They refuse values nested deeper than 100, because
// copying, printing or destroying such values would overflow the stack, and numbers too large for a
// double.
Json parse_json(std::string_view text);  // throws DataError that says what is wrong at which byte
std::optional<Json> try_parse_json(std::string_view text);

// Parses a whole JSON file. Throws DataError with file and position if it is damaged.
Json read_json(const std::filesystem::path& path);

}  // namespace apollo
