// What a run reports: a row of metrics.jsonl for everything that happens, TensorBoard scalars, and
// a console line now and then. Reports are made from the rows, and their fields are a file format
// (docs/formats.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json_lines.h"
#include "runlog/rows.h"
#include "train/checkpoint_writer.h"
#include "train/evaluation.h"
#include "train/slow_steps.h"
#include "train/tensorboard.h"
#include "train/train_step.h"

namespace apollo {

class RunLog {
 public:
  // Appends to `run_dir`/metrics.jsonl after its first `keep_bytes` bytes. `peak`: the FLOPs per
  // second with which the run's rate is compared.
  RunLog(const std::filesystem::path& run_dir, int64_t keep_bytes, int64_t first_step, double peak);
  // The log of a rank that is not the first; it reports nothing.
  RunLog() = default;

  // Only at the start of a run.
  void start(const StartRow& row);
  // `schedule`: of the length that it has from here on.
  void resume(const TrainState& state, const Schedule& schedule);
  void step(const TrainState& state, const StepResult& result, double step_seconds,
            std::optional<double> energy_joules, double share_done);
  // These four add the position of the run.
  void evaluation(const TrainState& state, EvalRow row, std::optional<double> energy_joules);
  void sample(const TrainState& state, SampleRow row);
  void test(const TrainState& state, TestRow row);
  void growth(const TrainState& state, GrowRow row);
  // Called once it is on disk, which may be steps later than `written.path` says.
  void checkpoint(const TrainState& state, const WrittenCheckpoint& written);
  // reason: "finished", "early_stopping", "signal", "diverged" or "stopped".
  void end(const TrainState& state, const std::string& reason, std::optional<double> energy_joules);

  // From here on rows are also kept until they are taken.
  void keep_rows() { keeps_rows_ = true; }
  // Returns the rows kept since the last call, in order.
  std::vector<Json> take_rows() { return std::exchange(kept_rows_, {}); }

  // Hands all rows to the system and returns the length of metrics.jsonl.
  int64_t flush();

 private:
  using Clock = std::chrono::steady_clock;
  template <class Row>
  void write(const Row& row);
  void scalar(const char* name, const TrainState& state, double value);
  // Returns the rate as a share of the peak; nothing if the peak is unknown.
  std::optional<double> utilisation(double flops, double seconds) const;
  void end_interval();
  // Returns the line for people, in about 80 columns.
  std::string step_line(const TrainState& state, const StepResult& result, double share_done) const;

  struct Files {
    Files(const std::filesystem::path& run_dir, int64_t keep_bytes, int64_t first_step)
        : metrics(run_dir / "metrics.jsonl", keep_bytes), tensorboard(run_dir, first_step) {}
    JsonLinesWriter metrics;
    TensorboardWriter tensorboard;
  };
  std::unique_ptr<Files> files_;  // null: silent
  bool keeps_rows_ = false;
  std::vector<Json> kept_rows_;
  double peak_flops_per_second_ = 0.0;
  std::optional<Clock::time_point> last_console_;
  Clock::time_point last_status_;
  SlowSteps slow_steps_;
  // Since the last console line, to compute its rate.
  int64_t tokens_since_console_ = 0;
  double flops_since_console_ = 0.0;
  double seconds_since_console_ = 0.0;
  // Since this process started, to estimate the time left.
  double share_at_start_ = -1.0;
  double seconds_since_start_ = 0.0;
};

// Returns the FLOPs of the whole run and of what counts as spent before it; 0 if only the run will
// tell.
double total_flops(const TrainingCost& before, const Schedule& schedule);

// Returns the current time as "2026-11-24T20:00:00Z".
std::string utc_time();

}  // namespace apollo
