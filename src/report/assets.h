// Files that are part of the program, so that a page needs neither network nor installation:
// plotly.js (MIT licence, from the `plotly` wheel) and the page's own style and script.
#pragma once

#include <string_view>

namespace apollo {

std::string_view plotly_js();
std::string_view page_css();
std::string_view page_js();

}  // namespace apollo
