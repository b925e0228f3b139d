#include "report/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/printable.h"

namespace apollo {
namespace {

// Counts columns on a terminal: one per code point, which holds for everything that reports print.
size_t text_width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string shorten(const std::string& text, size_t width) {
  if (text_width(text) <= width) return text;
  std::string kept;
  size_t count = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80 && ++count == width) break;
    kept += c;
  }
  return kept + "…";
}

// Returns the least width, from `least` on, at which names that differ still look different.
size_t telling_width(const Table& table, size_t least, size_t widest) {
  std::set<std::string> names;
  for (const auto& row : table.rows)
    names.insert(row[0]);
  for (size_t width = least; width < widest; ++width) {
    std::set<std::string> shortened;
    for (const std::string& name : names)
      shortened.insert(shorten(name, width));
    if (shortened.size() == names.size()) return width;
  }
  return widest;
}

std::string wrap(const std::string& text, size_t width, const std::string& indent) {
  std::string out;
  std::string line = indent;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (line.size() > indent.size() && text_width(line) + text_width(word) > width) {
      out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
      line = std::string(indent.size(), ' ');
    }
    line += word + " ";
    begin = end + 1;
  }
  return out + line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
}

std::string table_text(const Table& table, size_t width) {
  std::vector<size_t> widths;
  for (size_t column = 0; column < table.header.size(); ++column) {
    size_t widest = text_width(table.header[column]);
    for (const auto& row : table.rows)
      widest = std::max(widest, text_width(row[column]));
    widths.push_back(widest);
  }
  size_t total = 2 * (widths.size() - 1);
  for (const size_t column : widths)
    total += column;
  constexpr size_t kShortestName = 8;
  if (total > width) {
    const size_t excess = total - width;
    const size_t wanted = std::max(kShortestName, widths[0] - std::min(widths[0], excess));
    widths[0] = telling_width(table, wanted, widths[0]);
  }

  std::string out = table.title + "\n" + wrap(table.explanation, width, "") + "\n";
  const auto append_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t column = 0; column < row.size(); ++column) {
      const std::string cell = column == 0 ? shorten(row[0], widths[0]) : row[column];
      const std::string space(widths[column] - std::min(widths[column], text_width(cell)), ' ');
      line += column == 0 ? cell + space : "  " + space + cell;
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  };
  append_row(table.header);
  for (const auto& row : table.rows)
    append_row(row);
  return out;
}

// A row of a Markdown table is one line.
std::string markdown_cell(std::string text) {
  text = printable(text);
  for (size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2))
    text.insert(at, "\\");
  return text;
}

}  // namespace

std::string to_text(const std::vector<Table>& tables, const std::vector<std::string>& notes,
                    size_t width) {
  std::string out;
  for (const Table& table : tables)
    out += table_text(table, width) + "\n";
  for (const std::string& note : notes)
    out += wrap(note, width, "note: ");
  return out;
}

std::string to_markdown(const std::vector<Table>& tables, const std::vector<std::string>& notes) {
  std::string text;
  const auto append_row = [&](const std::vector<std::string>& cells) {
    for (const std::string& cell : cells)
      text += "| " + markdown_cell(cell) + " ";
    text += "|\n";
  };
  for (const Table& table : tables) {
    text += fmt::format("### {}\n{}\n\n", table.title, table.explanation);
    append_row(table.header);
    text += "|---";
    for (size_t i = 1; i < table.header.size(); ++i)
      text += "|---:";
    text += "|\n";
    for (const auto& row : table.rows)
      append_row(row);
    text += "\n";
  }
  for (const std::string& note : notes)
    text += "* " + note + "\n";
  return text;
}

}  // namespace apollo
