// apollo/state.json of a checkpoint: all that a run is at one moment but for its tensors, and the
// hashes of every file beside it. What stands there is never believed: the state carries a hash of
// itself, and each number is held to the range that it can have.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/json_lines.h"
#include "progressive/schedule.h"
#include "runlog/best_evaluation.h"

namespace apollo {

struct SavedState {
  RunPosition position;
  double flops_before = 0.0;  // what counts as spent before the first step
  double seconds_before = 0.0;
  int64_t tokens = 0;
  StageState stage;
  double eval_flops = 0.0;
  double eval_seconds = 0.0;
  double energy_joules = 0.0;
  // How often each recurring action was due so far; -1: not even at the beginning.
  int64_t evaluations_due = -1;
  int64_t checkpoints_due = 0;
  int64_t last_evaluated_step = -1;
  BestEvaluation best;
  int64_t metrics_bytes = 0;  // length of metrics.jsonl at that moment
  std::string optimizer;      // whose moments lie in optimizer.safetensors: "adamw"
  std::string matmul;         // the library of matrix products that gave the bits so far
  std::string config_hash;
  std::string train_data;  // this and the next two: hashes of their content
  std::string valid_data;
  std::string tokenizer;
  std::map<std::string, std::string> files;  // relative path and hash

  bool operator==(const SavedState&) const = default;
};

// As it stands in the file, its own hash included.
Json to_json(const SavedState& state);

// Throws CheckpointError where the file is damaged, of another version (with a hint), or holds what
// no run can be at. Whether the stage is one of the run's is for the caller to judge.
SavedState read_saved_state(const std::filesystem::path& path);

}  // namespace apollo
