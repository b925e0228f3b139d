// What the model of a run writes on from eval.sample, at every evaluation: the same draws each
// time, so that what changes is the model. Nothing that a run's numbers come from is touched: the
// draws are keyed by a purpose of their own, and the pass keeps no gradient.
#pragma once

#include <optional>
#include <vector>

#include "runlog/rows.h"
#include "train/run.h"

namespace apollo {

class TextSample {
 public:
  // Throws ConfigError where a sample is wanted of data without a tokenizer, or of a prompt that
  // holds nothing the tokenizer knows.
  explicit TextSample(const Run& run);

  // At the depth of the final model; without the place of the run, which the log fills in. Nothing
  // where none is wanted, on a rank other than the first, and while the model has no layers. A
  // model whose logits are not finite is told of; its run goes on.
  std::optional<SampleRow> take(const Run& run) const;

 private:
  std::vector<TokenId> prompt_;  // empty: no sample is wanted
};

}  // namespace apollo
