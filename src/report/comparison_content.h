// What the page of a comparison says and draws. Over seeds and budgets it shows means with bands,
// and the charts of single steps show one seed at the largest budget of each run. A run without
// repetitions is a group of one.
#pragma once

#include "report/page_content.h"

namespace apollo {

// Fills kind, title, lede, headlines and chart_json, and adds a note on what the charts show.
void fill_comparison_content(const Comparison& comparison, PageContent& content);

}  // namespace apollo
