// The assembler copies each file into the object as it is. A generated array would make the
// compiler read 25 MB of source just for plotly.js, and ISO C++20 has no #embed. CMake provides the
// paths.
#include "report/assets.h"

#define APOLLO_EMBED(symbol, path)               \
  asm(".section .rodata\n"                       \
      ".global apollo_asset_" #symbol            \
      "\n"                                       \
      "apollo_asset_" #symbol                    \
      ":\n"                                      \
      ".incbin \"" path                          \
      "\"\n"                                     \
      ".global apollo_asset_" #symbol            \
      "_end\n"                                   \
      "apollo_asset_" #symbol                    \
      "_end:\n"                                  \
      ".previous\n");                            \
  extern "C" const char apollo_asset_##symbol[]; \
  extern "C" const char apollo_asset_##symbol##_end[];

APOLLO_EMBED(plotly_js, APOLLO_ASSET_PLOTLY_JS)
APOLLO_EMBED(page_css, APOLLO_ASSET_PAGE_CSS)
APOLLO_EMBED(page_js, APOLLO_ASSET_PAGE_JS)

namespace apollo {

std::string_view plotly_js() {
  return {apollo_asset_plotly_js, apollo_asset_plotly_js_end};
}
std::string_view page_css() {
  return {apollo_asset_page_css, apollo_asset_page_css_end};
}
std::string_view page_js() {
  return {apollo_asset_page_js, apollo_asset_page_js_end};
}

}  // namespace apollo
