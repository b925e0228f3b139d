// Stage lists that several methods share. All give a last stage of all `layers`, without an end.
#pragma once

#include <string>
#include <vector>

#include "config/run_config.h"

namespace apollo {

// A stage as a method's paper has it: a share of the final layers, and its end in % of the run, in
// what the run's length is counted in or, as most papers count, in its steps.
struct StageShare {
  double of_layers;
  double until_percent;
};

// Stages of about these shares, the largest first in `shares`, rounded so that each stage divides
// the next: from the top down, each has that divisor of the next stage's number which is nearest
// to its share, the smaller of two equally near. Stages that fall together are one, with the later
// end.
std::vector<StageSpec> stages_that_divide(int64_t layers, const std::vector<StageShare>& shares,
                                          DurationUnit unit = DurationUnit::kPercentSteps);

// Equal steps of depth, b, 2b, ..., L, where the number of stages is that divisor of L above 1
// which is nearest to `wanted`, the smaller of two equally near; the i-th stage lasts a share of
// the steps proportional to i^power.
std::vector<StageSpec> stages_of_equal_steps(int64_t layers, int64_t wanted, double power);

// Throws UsageError where a model of `layers` layers is too shallow for `method`.
void require_layers(const std::string& method, int64_t layers, int64_t least);

}  // namespace apollo
