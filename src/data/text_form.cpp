#include "data/text_form.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "data/byte_source.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBlanks = " \t\r\n";

std::string to_lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

std::string text_suffix(const fs::path& path) {
  const bool is_compressed = is_compression_suffix(path.extension());
  return to_lower((is_compressed ? path.stem().extension() : path.extension()).string());
}

bool is_jsonl_name(const fs::path& path) {
  constexpr std::array kNames = {".jsonl", ".ndjson", ".jsonlines", ".jl"};
  return std::find(kNames.begin(), kNames.end(), text_suffix(path)) != kNames.end();
}

bool is_no_text_name(const fs::path& path) {
  constexpr std::array kNoText = {".7z",  ".arrow", ".bin",     ".bz2",  ".npy", ".npz",
                                  ".pdf", ".rar",   ".parquet", ".tar",  ".tgz", ".zip",
                                  ".doc", ".docx",  ".epub",    ".lzma", ".bz",  ".safetensors"};
  return std::find(kNoText.begin(), kNoText.end(), text_suffix(path)) != kNoText.end();
}

void fail_form(const fs::path& path) {
  fail<DataError>(
      "{}: expected plain text or .jsonl (a JSON object with a field 'text' a line), each as it is "
      "or as .gz, .xz or .zst; found a file of form '{}'",
      path.string(), text_suffix(path));
}

void check_form(const fs::path& path) {
  if (is_no_text_name(path)) fail_form(path);
}

bool may_be_json(std::string_view start) {
  const size_t first = start.find_first_not_of(kBlanks);
  return first != std::string_view::npos && start[first] == '{';
}

FirstLine classify_first_line(std::string_view start, const std::string& text_field) {
  if (!may_be_json(start)) return FirstLine::kText;
  start.remove_prefix(start.find_first_not_of(kBlanks));
  start = start.substr(0, start.find('\n'));
  const auto object = nlohmann::json::parse(start, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return FirstLine::kText;
  const auto text = object.find(text_field);
  const bool is_document = text != object.end() && text->is_string();
  return is_document ? FirstLine::kDocument : FirstLine::kOtherObject;
}

}  // namespace apollo
