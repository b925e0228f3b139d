// One run from its first step to its last checkpoint, in a run folder of its own:
//   run.toml metrics.jsonl events.out.tfevents.* log.txt
//   checkpoints/step-N checkpoints/latest checkpoints/best
// The same run opened again goes on where the latest checkpoint stands, to the same bits; what
// metrics.jsonl holds beyond that checkpoint is cut off first.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/energy.h"
#include "base/json_lines.h"
#include "train/checkpoint_writer.h"
#include "train/run.h"
#include "train/run_evaluation.h"
#include "train/run_log.h"
#include "train/save_times.h"
#include "train/train_step.h"

namespace apollo {

class Trainer {
 public:
  explicit Trainer(Run run);
  ~Trainer();

  // Evaluates, grows and saves where it is due, then takes one step. False: the run is over, its
  // last checkpoint on disk. Throws Interrupted after saving when a signal asks to stop (during an
  // evaluation too), DivergedError without saving, and the error of a checkpoint that could not be
  // written at the next step.
  bool step();
  // Steps to the end.
  void run();

  // `hook` is told every row of metrics.jsonl from here on but those of checkpoints and of the end,
  // on rank 0 alone, each while the run stands still at a point from which it can go on. What it
  // throws stops the run: step() saves a checkpoint, ends with the reason "stopped" and throws it
  // on. The run opened again goes on from there; where ranks share the moments, which rank 0 cannot
  // save alone, it goes on from the checkpoint before.
  using RowHook = std::function<void(const Json& row)>;
  void on_row(RowHook hook);

  const Run& opened() const { return run_; }

 private:
  enum class Phase { kTraining, kOver };

  bool step_or_finish();
  void tell();
  // Rank 0's clock and any rank's signal become those of all.
  void agree();
  bool at_end() const;
  void end(const char* reason);
  void evaluate_if_due();
  void grow_if_due();
  // Growth to `target` layers.
  void grow(int64_t target);
  void save_if_due(bool finished);
  void save();
  void wait_for_checkpoint();
  // No rank ends before the last checkpoint is on disk: whoever started the ranks may end all of
  // them as soon as one has ended.
  void leave_together();
  void log_written(const std::optional<WrittenCheckpoint>& written);
  void train_one_step();

  std::optional<double> energy_joules();

  Run run_;
  Phase phase_ = Phase::kTraining;
  RunEvaluation evaluation_;
  bool told_of_cost_ = false;
  SaveTimes save_times_;
  EnergyMeter energy_;
  int stop_ = 0;                              // the signal that asks to stop
  double energy_before_ = 0.0;                // of the processes that trained this run earlier
  std::unique_ptr<RunLog> log_;               // null: the run was over when it was opened
  std::unique_ptr<CheckpointWriter> writer_;  // rank 0's only
  RowHook hook_;
};

}  // namespace apollo
