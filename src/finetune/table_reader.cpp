#include "finetune/table_reader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/json_lines.h"
#include "base/spelling.h"
#include "text/utf8.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// A file that is being read.
struct Source {
  std::string path;
  std::string_view text;
  size_t at = 0;
  int64_t line = 1;  // of `at`

  bool done() const { return at >= text.size(); }

  template <class... Args>
  [[noreturn]] void reject(int64_t where, fmt::format_string<Args...> format,
                           Args&&... args) const {
    fail<DataError>("{}:{}: {}", path, where, fmt::format(format, std::forward<Args>(args)...));
  }

  std::string_view next_line() {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view found = text.substr(at, end - at);
    at = end + 1;
    ++line;
    if (found.ends_with('\r')) found.remove_suffix(1);
    return found;
  }
};

void check_utf8(const Source& source) {
  if (is_valid_utf8(source.text)) return;
  Source lines = source;
  while (!lines.done()) {
    const int64_t line = lines.line;
    if (!is_valid_utf8(lines.next_line())) {
      lines.reject(line,
                   "the text is not UTF-8; hint: `iconv -f latin1 -t utf-8`, or whatever it is in");
    }
  }
}

struct RawRow {
  int64_t line = 0;
  bool empty = false;  // whether the line is empty
  std::vector<std::string> fields;
};

RawRow next_tsv_row(Source& source) {
  RawRow row{source.line, false, {}};
  std::string_view rest = source.next_line();
  row.empty = rest.empty();
  for (size_t tab = rest.find('\t'); tab != std::string_view::npos; tab = rest.find('\t')) {
    row.fields.emplace_back(rest.substr(0, tab));
    rest.remove_prefix(tab + 1);
  }
  row.fields.emplace_back(rest);
  return row;
}

// Reads the rest of a quoted field, after its first quote.
std::string quoted_field(Source& source) {
  const int64_t begin = source.line;
  std::string field;
  while (true) {
    const size_t quote = source.text.find('"', source.at);
    if (quote == std::string_view::npos) {
      source.reject(begin,
                    "a quote is never closed; hint: a table without quoting is format = \"tsv\"");
    }
    const std::string_view piece = source.text.substr(source.at, quote - source.at);
    source.line += std::count(piece.begin(), piece.end(), '\n');
    field += piece;
    source.at = quote + 1;
    if (!source.text.substr(source.at).starts_with('"')) return field;
    field += '"';
    ++source.at;
  }
}

RawRow next_csv_row(Source& source) {
  RawRow row{source.line, false, {}};
  while (true) {
    const bool quoted = source.text.substr(source.at).starts_with('"');
    std::string field;
    if (quoted) {
      ++source.at;
      field = quoted_field(source);
    }
    const size_t end = std::min(source.text.find_first_of(",\n", source.at), source.text.size());
    std::string_view bare = source.text.substr(source.at, end - source.at);
    const bool last = end == source.text.size() || source.text[end] == '\n';
    if (last && bare.ends_with('\r')) bare.remove_suffix(1);
    if (quoted && !bare.empty()) {
      source.reject(source.line, "expected ',' after a quoted field, found '{}'", bare);
    }
    row.fields.push_back(quoted ? std::move(field) : std::string(bare));
    source.at = end + 1;
    if (!last) continue;
    ++source.line;
    row.empty = row.fields.size() == 1 && !quoted && bare.empty();
    return row;
  }
}

std::string column_text(const ColumnRef& column) {
  return column.number ? fmt::format("column {}", *column.number)
                       : fmt::format("column '{}'", column.name);
}

// Returns the indices of the wanted columns in the header.
std::vector<size_t> find_columns(const Source& source, const RawRow& header,
                                 const std::vector<WantedColumn>& wanted) {
  std::vector<size_t> places;
  for (const auto& [key, column] : wanted) {
    const auto found = std::find(header.fields.begin(), header.fields.end(), column.name);
    const bool there = column.number ? *column.number < static_cast<int64_t>(header.fields.size())
                                     : found != header.fields.end();
    if (!there) {
      source.reject(
          header.line, "there is no {} ({}); the header has '{}'; {}", column_text(column), key,
          fmt::join(header.fields, "', '"),
          did_you_mean(column.name, header.fields, "hint: header = false where there is none"));
    }
    if (!column.number && std::count(found, header.fields.end(), column.name) > 1) {
      source.reject(header.line, "there are two columns '{}' ({}); hint: rename one of them",
                    column.name, key);
    }
    places.push_back(column.number ? static_cast<size_t>(*column.number)
                                   : static_cast<size_t>(found - header.fields.begin()));
  }
  return places;
}

std::vector<TableRow> read_delimited(Source& source, TableFormat format, bool header,
                                     const std::vector<WantedColumn>& wanted) {
  const auto next_row = format == TableFormat::kTsv ? next_tsv_row : next_csv_row;
  std::vector<size_t> places;
  size_t num_fields = 0;
  std::vector<std::string> header_fields;
  if (header) {
    if (source.done()) source.reject(1, "the file is empty; expected a header");
    const RawRow names = next_row(source);
    places = find_columns(source, names, wanted);
    num_fields = names.fields.size();
    header_fields = names.fields;
  } else {
    for (const WantedColumn& want : wanted) {
      places.push_back(static_cast<size_t>(want.column.number.value()));
      num_fields = std::max(num_fields, places.back() + 1);
    }
  }
  std::vector<TableRow> rows;
  std::optional<int64_t> empty_line;
  while (!source.done()) {
    RawRow raw = next_row(source);
    if (raw.empty) {
      empty_line = empty_line.value_or(raw.line);
      continue;
    }
    // Empty lines at the end are ignored; before a row they mean a damaged table.
    if (empty_line) source.reject(*empty_line, "the row is empty");
    const size_t found = raw.fields.size();
    if (header ? found != num_fields : found < num_fields) {
      source.reject(raw.line, "expected {} fields{}, found {}", num_fields,
                    header ? ", as in the header" : " or more", found);
    }
    if (header && raw.fields == header_fields) {
      source.reject(raw.line, "the header stands here once more; hint: name each file in the task");
    }
    TableRow row{raw.line, {}};
    for (const size_t place : places)
      row.fields.push_back(raw.fields[place]);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string json_field(const Source& source, int64_t line, const Json& object,
                       const WantedColumn& want) {
  if (want.column.number) {
    source.reject(line, "{} is {}, but the fields of JSON lines have names", want.key,
                  column_text(want.column));
  }
  const auto found = object.find(want.column.name);
  if (found == object.end()) {
    std::vector<std::string> names;
    for (const auto& [name, value] : object.items())
      names.push_back(name);
    source.reject(line, "there is no field '{}' ({}); the object has '{}'", want.column.name,
                  want.key, fmt::join(names, "', '"));
  }
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number() || found->is_boolean()) return found->dump();
  source.reject(line, "field '{}': expected text or a number, found {}", want.column.name,
                found->type_name());
}

std::vector<TableRow> read_jsonl(Source& source, const std::vector<WantedColumn>& wanted) {
  std::vector<TableRow> rows;
  std::optional<int64_t> empty_line;
  while (!source.done()) {
    const int64_t line = source.line;
    const std::string_view text = source.next_line();
    if (text.find_first_not_of(" \t") == std::string_view::npos) {
      empty_line = empty_line.value_or(line);
      continue;
    }
    if (empty_line) source.reject(*empty_line, "the row is empty");
    const std::optional<Json> object = try_parse_json(text);
    if (!object || !object->is_object()) source.reject(line, "expected a JSON object");
    TableRow row{line, {}};
    for (const WantedColumn& want : wanted)
      row.fields.push_back(json_field(source, line, *object, want));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

TableFormat format_of(const fs::path& path) {
  const std::string ending = path.extension().string();
  if (ending == ".tsv") return TableFormat::kTsv;
  if (ending == ".csv") return TableFormat::kCsv;
  if (ending == ".jsonl" || ending == ".json") return TableFormat::kJsonl;
  fail<DataError>(
      "{}: expected a name that ends in .tsv, .csv or .jsonl; hint: task.format says what a file "
      "of another name is",
      path.string());
}

std::vector<TableRow> read_table(const fs::path& path, TableFormat format, bool header,
                                 const std::vector<WantedColumn>& wanted) {
  if (!fs::is_regular_file(path)) fail<DataError>("{}: there is no such file", path.string());
  if (format == TableFormat::kAuto) format = format_of(path);
  const MappedFile file(path);
  Source source{path.string(), file.text()};
  if (source.text.starts_with(kByteOrderMark)) source.text.remove_prefix(kByteOrderMark.size());
  check_utf8(source);
  return format == TableFormat::kJsonl ? read_jsonl(source, wanted)
                                       : read_delimited(source, format, header, wanted);
}

}  // namespace apollo
