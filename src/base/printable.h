// Text of others, such as paths and names, as it may be shown: a terminal obeys control characters,
// and a file of ours must be UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace apollo {

// `text` with control characters and bytes that are not UTF-8 written as \n, \t, \r or \xNN.
std::string printable(std::string_view text);

// The same with line ends and tabs left as they are, for messages of several lines.
std::string printable_lines(std::string_view text);

// Whether all of it is UTF-8.
bool is_utf8(std::string_view text);

}  // namespace apollo
