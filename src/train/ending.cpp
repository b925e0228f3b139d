#include "train/ending.h"

#include <filesystem>

#include "base/log.h"

namespace apollo {

namespace fs = std::filesystem;

bool is_out_of_patience(const BestEvaluation& best, const RunConfig& config) {
  return config.train.early_stopping > 0 && best.since >= config.train.early_stopping;
}

const char* reason_to_end(const Run& run) {
  if (run.schedule->finished(run.state.position)) return "finished";
  if (is_out_of_patience(run.state.best, run.config())) return "early_stopping";
  return nullptr;
}

void log_ending(const Run& run) {
  if (!run.workers->leads()) return;
  const BestEvaluation& best = run.state.best;
  if (!run.schedule->finished(run.state.position)) {
    log_info(
        "ended early at step {}: the last {} evaluations found no lower validation loss than step "
        "{}; a larger train.early_stopping goes on from here",
        run.state.position.step, best.since, best.step);
  }
  if (best.loss && best.step != run.state.last_evaluated_step) {
    log_info("lowest validation loss: {:.4f} at step {}{}", *best.loss, best.step,
             fs::exists(run.dir / "checkpoints" / "best") ? ", kept as checkpoints/best" : "");
  }
}

}  // namespace apollo
