// apollo/state.json of a checkpoint: the whole state of a run at one moment except its tensors, and
// the hashes of all files beside it. Its content is never trusted: the state carries a hash of
// itself, and each number must lie in its possible range.
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
  // How often each recurring action was due so far; -1: not even at the start.
  int64_t evaluations_due = -1;
  int64_t checkpoints_due = 0;
  int64_t last_evaluated_step = -1;
  BestEvaluation best;
  int64_t metrics_bytes = 0;  // length of metrics.jsonl at that moment
  std::string optimizer;      // the owner of the moments in optimizer.safetensors: "adamw"
  std::string matmul;         // the library of matrix products that computed the bits so far
  std::string config_hash;
  std::string train_data;  // the hash of its content, as in the next two
  std::string valid_data;
  std::string tokenizer;
  std::map<std::string, std::string> files;  // hashes by relative path

  bool operator==(const SavedState&) const = default;
};

// Returns the content of the file, including its own hash.
Json to_json(const SavedState& state);

// Throws CheckpointError if the file is damaged, of another version (with a hint), or states what
// no run can reach. The caller checks whether the stage is one of the run's.
SavedState read_saved_state(const std::filesystem::path& path);

}  // namespace apollo
