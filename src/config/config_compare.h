// Tells whether two configs give the same numbers.
#pragma once

#include <string>
#include <vector>

#include "config/run_config.h"

namespace apollo {

// Returns a hash of the values that change a run's numbers (Effect::kResult).
std::string config_hash(const RunConfig& config);

// Returns which of these values differ: "train.lr: 0.001 -> 0.002".
std::vector<std::string> differing_keys(const RunConfig& before, const RunConfig& after);

}  // namespace apollo
