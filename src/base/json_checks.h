// For readers of JSON with a parser of their own; all others call parse_json() (json_lines.h).
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace apollo {

// Where brackets nest deeper than 100; npos: nowhere. For readers with a parser of their own.
size_t find_too_deep(std::string_view text);
// What the JSON library says of an error, without the name and number that it puts before it.
std::string words_of(const nlohmann::detail::exception& error);

}  // namespace apollo
