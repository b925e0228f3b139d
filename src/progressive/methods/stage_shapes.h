// Stage lists that several methods share. The last stage always has all `layers` and no end.
#pragma once

#include <string>
#include <vector>

#include "config/run_config.h"

namespace apollo {

// A stage as a method's paper gives it: a share of the final layers, and its end in % of the run.
// That end counts in the unit of the run's length or, as in most papers, in its steps.
struct StageShare {
  double of_layers;
  double until_percent;
};

// Returns stages of about these shares, the largest first in `shares`, rounded so that each stage
// divides the next. From the top down, each stage takes the divisor of the next stage's number that
// is nearest to its share, the smaller of two equally near. Stages that become equal are merged,
// with the later end.
std::vector<StageSpec> stages_that_divide(int64_t layers, const std::vector<StageShare>& shares,
                                          DurationUnit unit = DurationUnit::kPercentSteps);

// Returns equal steps of depth, b, 2b, ..., L. The number of stages is the divisor of L above 1
// that is nearest to `wanted`, the smaller of two equally near. Stage i lasts a share of the steps
// proportional to i^power.
std::vector<StageSpec> stages_of_equal_steps(int64_t layers, int64_t wanted, double power);

// Throws UsageError if a model of `layers` layers is too shallow for `method`.
void require_layers(const std::string& method, int64_t layers, int64_t least);

}  // namespace apollo
