// The text with which a run's model continues eval.sample at every evaluation. The random draws are
// the same each time, so that only the model changes. A sample changes none of a run's numbers,
// because its draws have a stream of their own and its pass keeps no gradient.
#pragma once

#include <optional>
#include <vector>

#include "runlog/rows.h"
#include "train/run.h"

namespace apollo {

class TextSample {
 public:
  // Throws ConfigError if a sample is wanted and the data have no tokenizer, or the prompt holds
  // nothing that the tokenizer knows.
  explicit TextSample(const Run& run);

  // Returns a sample at the depth of the final model, without the position of the run, which the
  // log adds. Returns nullopt if none is wanted, on every rank except the first, and while the
  // model has no layers. If the logits are not finite, it warns and the run continues.
  std::optional<SampleRow> take(const Run& run) const;

 private:
  std::vector<TokenId> prompt_;  // empty: no sample is wanted
};

}  // namespace apollo
