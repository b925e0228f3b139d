// Run folders for tests, in the format of the trainer: rows written by hand if exact numbers
// matter, or a whole realistic run of any length.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/json_lines.h"

namespace apollo {

// Returns a `start` row that is comparable with any other of the same arguments.
Json start_row(const std::string& name, const std::string& method);

Json step_row(int64_t step, double flops, double wall_s, double loss);

Json eval_row(int64_t step, double flops, double wall_s, double depth, double loss);

// The same for a masked model.
Json masked_eval_row(int64_t step, double flops, double wall_s, double depth, double loss,
                     double accuracy);

Json end_row(int64_t step, const std::string& reason);

// Creates `folder` with these rows as its metrics.jsonl.
void write_run(const std::filesystem::path& folder, const std::vector<Json>& rows);

// Writes a 12-layer GPT that looks trained. `method` "apollo" grows 1-3-6-12 with rehearsal;
// "scratch" does not grow. The same seed gives the same run.
void write_realistic_run(const std::filesystem::path& folder, const std::string& name,
                         const std::string& method, int64_t num_steps, uint64_t seed = 42);

}  // namespace apollo
