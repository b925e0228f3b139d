// The groups of a comparison as CSV (RFC 4180): a line for each, every number with its deviation,
// least, greatest, half of the 95 % interval of the mean, and count.
#pragma once

#include <string>

#include "report/comparison.h"

namespace apollo {

std::string groups_csv(const Comparison& comparison);

}  // namespace apollo
