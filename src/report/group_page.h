// What the page of a comparison over seeds and budgets says and draws: means with bands, and the
// single runs' charts of one seed at the largest budget for each.
#pragma once

#include <string>

#include "report/page_content.h"

namespace apollo {

// Title, lede, headlines and chart_json; the rest is as for any comparison. `comparison` is
// grouped.
void fill_group_content(const Comparison& comparison, PageContent& content);

}  // namespace apollo
