// metrics.jsonl -> RunHistory. Apart from run_history.cpp because step rows, nearly all of the
// file, take a path of their own: they go from the SAX parser straight into columns, since
// building a tree for each of 100,000 rows takes longer than everything else that a report does.
#pragma once

#include <filesystem>

#include "report/run_history.h"

namespace apollo {

// Fills all of `run` but folder and config. Throws DataError with file:line where a row is damaged;
// only a last line without its end, which a kill can leave behind, is passed over.
void read_metrics(const std::filesystem::path& path, RunHistory& run);

}  // namespace apollo
