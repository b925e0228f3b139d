// The best that a run has come to so far: the lowest validation loss of the final model, with all
// its layers and at its full depth, and where that was. Earlier stages have another model.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

namespace apollo {

struct BestEvaluation {
  std::optional<double> loss = {};  // nothing: the final model was not evaluated yet
  int64_t step = -1;                // at which it was
  int64_t since = 0;                // evaluations of the last stage after it

  // One more evaluation of the final model. What is no number is no better than anything.
  void add(double new_loss, int64_t at_step, bool in_last_stage) {
    if (std::isfinite(new_loss) && (!loss || new_loss < *loss)) {
      *this = {.loss = new_loss, .step = at_step};
    } else if (in_last_stage) {
      ++since;
    }
  }

  bool operator==(const BestEvaluation&) const = default;
};

}  // namespace apollo
