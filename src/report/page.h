// Reports as HTML: one self-contained page with interactive charts, for one run or a comparison.
// The page loads nothing (its content security policy forbids it), follows the reader's light or
// dark scheme, and shows its headline and tables even without JavaScript.
#pragma once

#include <filesystem>
#include <string>

#include "report/comparison.h"
#include "report/run_history.h"

namespace apollo {

std::string run_page(const RunHistory& run);
std::string comparison_page(const Comparison& comparison);

// Reads the run and writes its page to `file`, by default `run_dir`/report.html; returns the path.
// Throws as read_run() does, or Error if the file cannot be written.
std::filesystem::path write_run_report(const std::filesystem::path& run_dir,
                                       std::filesystem::path file = {});

void write_comparison_page(const Comparison& comparison, const std::filesystem::path& file);

}  // namespace apollo
