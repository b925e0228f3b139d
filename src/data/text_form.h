// What kind of text a file holds. Its name is asked first, without regard to case; where the name
// does not say, the content is looked at: a first line that is a JSON object with the text field
// makes it jsonl, whatever it is called. What was taken for what its name does not say is told.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace apollo {

// The last suffix in small letters, behind which a compression's suffix does not count.
std::string text_suffix(const std::filesystem::path& path);

// Whether files with this name hold one JSON object a line: .jsonl, .ndjson, .jsonlines, .jl.
bool is_jsonl_name(const std::filesystem::path& path);

// Whether the name is that of a form that is no text (.pdf, .parquet, ...). A .json is asked for
// its content.
bool is_no_text_name(const std::filesystem::path& path);

// Throws DataError where is_no_text_name().
void check_form(const std::filesystem::path& path);

[[noreturn]] void fail_form(const std::filesystem::path& path);

enum class FirstLine {
  kText,         // of a plain text
  kDocument,     // a JSON object with a string as its text field
  kOtherObject,  // a JSON object without
};

// What the first line that is not blank of `start` is; `start` reaches to that line's end.
FirstLine classify_first_line(std::string_view start, const std::string& text_field);

// Whether a first line might be a JSON object: the first character that is no blank is a brace.
bool may_be_json(std::string_view start);

}  // namespace apollo
