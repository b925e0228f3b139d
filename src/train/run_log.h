// What a run tells the world: a row of metrics.jsonl for everything that happens, TensorBoard
// scalars, and a console line now and then. The rows are what reports are made from; their fields
// are a file format (docs/formats.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/json_lines.h"
#include "progressive/readiness.h"
#include "train/checkpoint_writer.h"
#include "train/evaluation.h"
#include "train/map_trial.h"
#include "train/tensorboard.h"
#include "train/train_step.h"

namespace apollo {

// One evaluation as it is logged.
struct EvaluationRow {
  std::string which;  // "stage" or "full"
  int64_t depth = 0;
  double loss = 0.0;
  // Of a causal model: what its loss means as a model of text.
  std::optional<double> perplexity = {};
  std::optional<double> bits_per_byte = {};
  // Of a masked model: share of the masked tokens that it finds.
  std::optional<double> accuracy = {};
};

struct GrowthRow {
  int64_t from = 0;
  int64_t to = 0;
  LayerMap map;
  std::optional<double> loss_before;  // of a probe at full depth
  std::optional<double> loss_after;
  std::optional<double> own_loss_before;  // each at the depth of its own layers
  std::optional<double> own_loss_after;
};

// With progressive.grow_when = ready or gain: whether the stage is ready to grow, and why.
struct ProbeRow {
  int64_t layers = 0;
  int64_t next_layers = 0;
  double loss = 0.0;           // of the shared layers at a depth of `layers`
  double next_loss = 0.0;      // and of `next_layers`
  std::optional<Gains> gains;  // nothing at the first probe of a stage
  bool ready = false;
};

class RunLog {
 public:
  // Appends to `run_dir`/metrics.jsonl after its first `keep_bytes` bytes.
  RunLog(const std::filesystem::path& run_dir, int64_t keep_bytes, int64_t first_step);

  // `header`: what the run is (row "start"), only at its beginning.
  void start(const Json& header);
  void resume(const TrainState& state);
  void step(const TrainState& state, const StepResult& result, double step_seconds,
            std::optional<double> energy_joules, double share_done);
  void evaluation(const TrainState& state, const EvaluationRow& row,
                  std::optional<double> energy_joules);
  void growth(const TrainState& state, const GrowthRow& row);
  void probe(const TrainState& state, const ProbeRow& row);
  // A row for each map that was tried at the growth from `from` layers.
  void trial(const TrainState& state, int64_t from, const MapTrial& trial);
  // Once it is on disk, which may be steps after `written.path` says.
  void checkpoint(const TrainState& state, const WrittenCheckpoint& written);
  // reason: "finished", "signal" or "diverged".
  void end(const TrainState& state, const std::string& reason, std::optional<double> energy_joules);

  // Hands all rows to the system; the length of metrics.jsonl.
  int64_t flush();

 private:
  using Clock = std::chrono::steady_clock;
  void console_line(const TrainState& state, const StepResult& result, double share_done);

  JsonLinesWriter metrics_;
  TensorboardWriter tensorboard_;
  std::optional<Clock::time_point> last_console_;
  // Since the last console line, for its rate.
  int64_t tokens_since_console_ = 0;
  double seconds_since_console_ = 0.0;
  // Since this process began, for the ETA.
  double share_at_start_ = -1.0;
  double seconds_since_start_ = 0.0;
};

// The time now as "2026-11-24T20:00:00Z".
std::string utc_time();

}  // namespace apollo
