// Finds out what kind of text a file holds. The name decides, whatever its case. If it says
// nothing, the content decides: a file whose first line is a JSON object with the text field is
// jsonl. The log tells when the content overrules a name.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace apollo {

// Returns the last suffix in lower case, after removing a suffix of compression.
std::string text_suffix(const std::filesystem::path& path);

// Whether files with this name hold one JSON object per line: .jsonl, .ndjson, .jsonlines, .jl.
bool is_jsonl_name(const std::filesystem::path& path);

// Whether the name says that the file is not text (.pdf, .parquet, ...). For a .json the content
// decides.
bool is_no_text_name(const std::filesystem::path& path);

// Throws DataError if is_no_text_name() holds.
void check_form(const std::filesystem::path& path);

[[noreturn]] void fail_form(const std::filesystem::path& path);

enum class FirstLine {
  kText,         // plain text
  kDocument,     // a JSON object whose text field is a string
  kOtherObject,  // another JSON object
};

// Classifies the first line of `start` that is not blank; `start` must contain that whole line.
FirstLine classify_first_line(std::string_view start, const std::string& text_field);

// Whether a first line may be a JSON object: its first character that is not blank is a brace.
bool may_be_json(std::string_view start);

}  // namespace apollo
