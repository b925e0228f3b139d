// Reads whole tables of text: TSV, CSV and JSON lines, with the line of every row for messages.
//
// tsv: tab-separated; quotes are ordinary characters (GLUE's files contain single ones). csv: RFC
// 4180; quoted fields may contain commas, line breaks and "" for a quote. jsonl: one object per
// line. A byte order mark, CR before LF and empty lines at the end are skipped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "finetune/task_config.h"

namespace apollo {

// A column to be read; `key` ("task.label") names it in messages.
struct WantedColumn {
  std::string key;
  ColumnRef column;
};

struct TableRow {
  int64_t line = 0;                 // where it begins, counted from 1
  std::vector<std::string> fields;  // the wanted columns, in their order
};

// Returns the format of a file by its suffix; throws DataError if it is unknown.
TableFormat format_of(const std::filesystem::path& path);

// Returns all rows. Throws DataError with file and line if a wanted column is missing or occurs
// twice, or if a row has another number of fields than the header, repeats the header, is empty,
// wrongly quoted, not a JSON object or not UTF-8. Without a header a row needs only the wanted
// columns, because some tables (STS-B) have rows with additional fields at the end.
std::vector<TableRow> read_table(const std::filesystem::path& path, TableFormat format, bool header,
                                 const std::vector<WantedColumn>& wanted);

}  // namespace apollo
