// Reads metrics.jsonl into RunHistory. It is separate from run_history.cpp because step rows,
// nearly all of the file, take their own path: from the SAX parser straight into columns. Building
// a tree for each of 100,000 rows would take longer than everything else that a report does.
#pragma once

#include <filesystem>

#include "report/run_history.h"

namespace apollo {

// Fills in all of `run` except folder and config. Throws DataError with file:line if a row is
// damaged. Only an incomplete last line, which a killed process can leave behind, is skipped.
void read_metrics(const std::filesystem::path& path, RunHistory& run);

}  // namespace apollo
