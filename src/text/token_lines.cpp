#include "text/token_lines.h"

#include <fmt/format.h>

#include <charconv>
#include <istream>
#include <iterator>
#include <optional>
#include <ostream>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json_lines.h"
#include "base/stop_signal.h"

namespace apollo {
namespace {

std::optional<std::vector<TokenId>> parse_plain_ids(std::string_view line) {
  std::vector<TokenId> ids;
  const char* at = line.data();
  const char* const end = at + line.size();
  while (true) {
    while (at != end && (*at == ' ' || *at == '\t' || *at == '\r'))
      ++at;
    if (at == end) return ids;
    TokenId id = 0;
    const auto [rest, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (rest != end && *rest != ' ' && *rest != '\t' && *rest != '\r')) {
      return std::nullopt;
    }
    ids.push_back(id);
    at = rest;
  }
}

std::optional<std::vector<TokenId>> parse_json_ids(const std::string& line) {
  const Json row = try_parse_json(line).value_or(Json());
  if (!row.is_object() || !row.contains("ids") || !row["ids"].is_array()) return std::nullopt;
  std::vector<TokenId> ids;
  for (const Json& id : row["ids"]) {
    if (!id.is_number_integer()) return std::nullopt;
    const auto value = id.get<int64_t>();
    // What does not fit is no id; -1 says so in the message of decode().
    ids.push_back(value == static_cast<TokenId>(value) ? static_cast<TokenId>(value) : -1);
  }
  return ids;
}

// A line without its LF; false at the end.
bool next_line(std::istream& in, std::string& line, int64_t number) {
  if (number % 1024 == 0) throw_if_stopped();
  const WaitingForInput waiting;
  return static_cast<bool>(std::getline(in, line));
}

}  // namespace

void encode_lines(std::istream& in, std::ostream& out, const Tokenizer& tokenizer,
                  const TokenLineOptions& options) {
  std::string line;
  std::string result;
  std::vector<TokenId> ids;
  for (int64_t number = 1; next_line(in, line, number); ++number) {
    ids.clear();
    tokenizer.encode(line, ids, options.special_tokens);
    result = options.json ? "{\"ids\": [" : "";
    const char* const separator = options.json ? ", " : " ";
    const char* before = "";
    for (const TokenId id : ids) {
      fmt::format_to(std::back_inserter(result), "{}{}", before, id);
      before = separator;
    }
    result += options.json ? "]}\n" : "\n";
    out << result;
  }
}

void decode_lines(std::istream& in, std::ostream& out, const Tokenizer& tokenizer,
                  const TokenLineOptions& options) {
  std::string line;
  for (int64_t number = 1; next_line(in, line, number); ++number) {
    const bool is_json = line.starts_with('{');
    const auto ids = is_json ? parse_json_ids(line) : parse_plain_ids(line);
    if (!ids) {
      fail<DataError>("{}:{}: expected ids separated by spaces or {{\"ids\": [...]}}, found '{}'",
                      options.name, number, line.substr(0, 60));
    }
    std::string text;
    try {
      text = tokenizer.decode(*ids, /*skip_special=*/!options.special_tokens);
    } catch (const DataError& error) {
      fail<DataError>("{}:{}: {}", options.name, number, error.what());
    }
    out << (options.json ? Json{{"text", text}}.dump() : text) << '\n';
  }
}

}  // namespace apollo
