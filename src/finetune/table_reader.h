// Tables of text: TSV, CSV and JSON lines, read whole, with the line of every row for messages.
//
// tsv: tab-separated, quotes are ordinary characters (GLUE's files hold bare ones). csv: RFC 4180,
// fields may be quoted and then hold commas, line breaks and "" for a quote. jsonl: one object a
// line. A byte order mark, CR before LF and empty lines at the end are passed over.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "finetune/task_config.h"

namespace apollo {

// A column that is asked for; `key` ("task.label") names it in messages.
struct WantedColumn {
  std::string key;
  ColumnRef column;
};

struct TableRow {
  int64_t line = 0;                 // where it begins, from 1
  std::vector<std::string> fields;  // of the wanted columns, in their order
};

// The format of a file by its ending; throws DataError where it is none of the known.
TableFormat format_of(const std::filesystem::path& path);

// All rows. Throws DataError with file and line where a wanted column is missing or there twice, a
// row has another number of fields than the header, is the header once more, is empty, wrongly
// quoted, no JSON object or not UTF-8. Without
// a header a row needs no more than the wanted columns, as some tables (STS-B) have rows with
// additional fields at the end.
std::vector<TableRow> read_table(const std::filesystem::path& path, TableFormat format, bool header,
                                 const std::vector<WantedColumn>& wanted);

}  // namespace apollo
