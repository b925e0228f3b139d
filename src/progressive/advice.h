// Tells whether growing pays for a run of this size, by which stages, and what to expect. The rule
// knows only our own suites (docs/results/methods.md).
//
// What decides is how many tokens per parameter a run from scratch would read for the same FLOPs. A
// young model gains most from being shallow; the longer the run, the less is left to gain, and the
// shorter are the stages that gain it. Texts, tokenizers and widths differ, so the rule promises
// only the smallest saving seen. Between measured budgets it interpolates along the logarithm of
// tokens per parameter. Beyond them it takes the nearest measurement, without vouching for it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "arch/counts.h"
#include "base/json_lines.h"
#include "config/run_config.h"

namespace apollo {

struct Advice {
  double tokens_per_parameter = 0.0;  // of a run from scratch with as many FLOPs
  // Expected share of FLOPs saved against a run from scratch with equal loss; at least this much.
  double saving = 0.0;
  // The range of tokens per parameter that was measured.
  double least = 0.0;
  double greatest = 0.0;
  std::vector<StageSpec> stages;  // the stages to use
  bool own_stages = true;         // whether they are the method's own

  bool pays() const;           // whether the saving exceeds the difference between two seeds
  std::string method() const;  // the method to use
  bool is_measured() const {
    return tokens_per_parameter >= least && tokens_per_parameter <= greatest;
  }
};

// Returns advice for a run of `flops` FLOPs that ends as a model of `shape`, trained as `config`
// says; nullopt if nothing was measured for its architecture.
std::optional<Advice> advise(const RunConfig& config, const ModelShape& shape, double flops);

// Returns one line for `apollo plan`.
std::string advice_text(const Advice& advice);
Json advice_json(const Advice& advice);

}  // namespace apollo
