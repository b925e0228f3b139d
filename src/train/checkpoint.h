// Checkpoints: a folder checkpoints/step-00000500 that is a Hugging Face model as it stands, with
// apollo/optimizer.safetensors and apollo/state.json for going on to the same bits, and links
// checkpoints/latest to the newest and checkpoints/best to that of the lowest validation loss,
// which stays while it is that. Those that are revisions of the run (checkpoint.at) stay, and links
// revisions/NAME beside the folder of checkpoints name them. A folder appears by rename when all of
// it is on disk; what it says of itself (hashes of all its files and of the state) is checked
// before it is loaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/hf_folder.h"
#include "runlog/saved_state.h"
#include "text/tokenizer.h"
#include "train/train_state.h"

namespace apollo {

// What a checkpoint says apart from the state.
struct CheckpointInfo {
  std::string config_hash;
  std::string train_data;  // content hashes
  std::string valid_data;
  std::string tokenizer_hash;
  int64_t metrics_bytes = 0;  // length of metrics.jsonl at that moment
  std::string optimizer;      // Optimizer::name()
  std::string matmul;         // the library of matrix products
};

// What a checkpoint will hold, in host memory of its own (12 bytes a parameter): training goes on
// while it is written.
struct CheckpointCopy {
  int64_t step = 0;
  ModelWeights weights;
  OptimizerState optimizer;
  SavedState state;                         // apart from the hashes of the files
  std::vector<std::string> revisions = {};  // names under which it stays
  bool is_best = false;                     // it stays as checkpoints/best
};

// `moments`: all of them, in host memory of their own (Shards::on_host()).
CheckpointCopy copy_for_checkpoint(const TrainState& state, OptimizerState moments,
                                   const CheckpointInfo& info);

// Writes the copy and makes it the latest, then removes all but the newest `keep`, the
// revisions and the best. Throws an error naming the path where the disk is full or not writable;
// older checkpoints are then untouched.
std::filesystem::path write_checkpoint(const std::filesystem::path& checkpoints,
                                       const CheckpointCopy& copy, const Tokenizer* tokenizer,
                                       int64_t keep);

struct LoadedCheckpoint {
  TrainState state;
  CheckpointInfo info;
};

// Of the parameters, the part whose moments are wanted.
using PartOfMoments = std::function<ElementRange(const ParameterLayout& layout)>;

// The latest checkpoint of the folder, or nullopt where there is none yet; without `part` with all
// moments. Throws CheckpointError where it is damaged, with the way to go on from an older one.
std::optional<LoadedCheckpoint> load_latest_checkpoint(const std::filesystem::path& checkpoints,
                                                       at::Device device,
                                                       const PartOfMoments& part = {});

}  // namespace apollo
