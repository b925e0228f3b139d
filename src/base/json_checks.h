// For readers of JSON with a parser of their own. All others call parse_json() (json_lines.h).
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace apollo {

// Returns the place where brackets nest deeper than 100, or npos.
size_t find_too_deep(std::string_view text);
// Returns the text of a JSON library's error, without the name and number in front of it.
std::string words_of(const nlohmann::detail::exception& error);

}  // namespace apollo
