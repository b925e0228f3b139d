// What `apollo suite --dry-run` prints: every run with its steps and FLOPs.
#pragma once

#include <string>

#include "base/json_lines.h"
#include "suite/suite_plan.h"

namespace apollo {

std::string suite_plan_text(const SuitePlan& plan);
Json suite_plan_json(const SuitePlan& plan);

}  // namespace apollo
