// A run's columns as chart data: JSON small enough for a page, whatever the length of the run.
//
// Steps are cut into at most kMaxBuckets equal pieces. Of each the least, the greatest and the mean
// are kept, so that a spike of one step in 100,000 stays visible. The smooth loss is an exponential
// average over all steps of a stage, its window 1 % of the run.
#pragma once

#include <cstddef>
#include <string>

#include "report/run_history.h"

namespace apollo {

constexpr size_t kMaxBuckets = 1200;

// One JSON object: {"name", "method", "layers", "steps": {...}, "evals": {...}, "stage_evals":
// {...}, "growths": [...]}; assets/page.js reads it.
std::string chart_data(const RunHistory& run, const std::string& name);

}  // namespace apollo
