// A run's columns as chart data: JSON that is small enough for a page, however long the run.
//
// Steps are divided into at most kMaxBuckets equal buckets. Each keeps its least, greatest and mean
// value, so that a spike of one step in 100,000 stays visible. The smooth loss is an exponential
// average over all steps of a stage, with a window of 1 % of the run.
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
