// What a page says, independent of its layout. It is the same for one run and for a comparison.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "report/comparison.h"
#include "report/run_history.h"
#include "report/tables.h"

namespace apollo {

// One big number and its meaning.
struct Headline {
  std::string value;
  std::string meaning;
  std::string detail;
};

struct PageContent {
  std::string kind;  // "Comparison" or "Training run"
  std::string title;
  std::string lede;  // the finding in one sentence
  std::vector<Headline> headlines;
  std::vector<Table> tables;
  Table samples;  // text by step, of one run
  Table config;   // the keys that differ, or all keys of one run
  std::vector<std::string> notes;
  std::string chart_json;  // what assets/page.js draws
  std::string footer;
};

PageContent run_content(const RunHistory& run);
PageContent comparison_content(const Comparison& comparison);

}  // namespace apollo
