// The groups of a comparison as CSV (RFC 4180), one line per group. Every number comes with its
// deviation, least and greatest value, half of the 95 % interval of the mean, and count.
#pragma once

#include <string>

#include "report/comparison.h"

namespace apollo {

std::string groups_csv(const Comparison& comparison);

}  // namespace apollo
