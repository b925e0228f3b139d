// A table of a report. It is made once (comparison_tables.h) and shown as text on stdout, as
// Markdown and in the HTML page, so that all of them agree.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace apollo {

struct Table {
  std::string title;
  std::string explanation;
  std::vector<std::string> header;  // the first column is a name, the others are values
  std::vector<std::vector<std::string>> rows;
};

// Returns plain text, at most `width` columns wide; names are shortened if it would be wider.
std::string to_text(const std::vector<Table>& tables, const std::vector<std::string>& notes,
                    size_t width = 100);

std::string to_markdown(const std::vector<Table>& tables, const std::vector<std::string>& notes);

}  // namespace apollo
