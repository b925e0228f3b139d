// Whether growing pays for a run of this size, what to grow by and what to expect: read off our own
// suites (docs/results/methods.md), which is all that the rule knows.
//
// What decides is how much text a run from scratch would read for the same FLOPs, in tokens per
// parameter: a young model gains most by being shallow, and the longer the run the less is left to
// gain, and the shorter are the stages that gain it. Texts, tokenizers and widths differ, so the
// least that was seen is promised. Between the budgets that were measured it is read off along the
// logarithm of that number; beyond them it is that of the nearest one, and not vouched for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "arch/counts.h"
#include "base/json_lines.h"
#include "config/run_config.h"

namespace apollo {

struct Advice {
  double tokens_per_parameter = 0.0;  // of a run from scratch of as many FLOPs
  // Expected share of the FLOPs with which scratch ends with equal loss; so much or more.
  double saving = 0.0;
  // The range of tokens per parameter that was measured.
  double least = 0.0;
  double greatest = 0.0;
  std::vector<StageSpec> stages;  // to take
  bool own_stages = true;         // whether they are those of the method

  bool pays() const;           // whether more is expected than two seeds differ by
  std::string method() const;  // what to take
  bool is_measured() const {
    return tokens_per_parameter >= least && tokens_per_parameter <= greatest;
  }
};

// For a run of `flops` FLOPs that ends as a model of `shape`, trained as `config` says; nullopt
// where nothing was measured for its architecture.
std::optional<Advice> advise(const RunConfig& config, const ModelShape& shape, double flops);

// One line for `apollo plan`.
std::string advice_text(const Advice& advice);
Json advice_json(const Advice& advice);

}  // namespace apollo
