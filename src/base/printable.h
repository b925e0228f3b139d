// Makes text from others, such as paths and names, safe to show: a terminal obeys control
// characters, and our files must be UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace apollo {

// Returns `text` with control characters and bytes that are not UTF-8 written as \n, \t, \r or
// \xNN.
std::string printable(std::string_view text);

// The same, but keeps line ends and tabs, for messages of several lines.
std::string printable_lines(std::string_view text);

// Whether all of it is UTF-8.
bool is_utf8(std::string_view text);

}  // namespace apollo
