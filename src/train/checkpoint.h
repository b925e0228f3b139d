// Checkpoints. The folder checkpoints/step-00000500 is a complete Hugging Face model. It also
// contains apollo/optimizer.safetensors and apollo/state.json, from which a run continues to the
// same bits. The link checkpoints/latest points to the newest, and checkpoints/best to the one with
// the lowest validation loss, which is kept as long as it is the best. Revisions of the run
// (checkpoint.at) are kept too, and links revisions/NAME next to the folder of checkpoints name
// them. A folder appears by rename when all of it is on disk. Its hashes (of all its files and of
// the state) are checked
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

// What a checkpoint states in addition to the state.
struct CheckpointInfo {
  std::string config_hash;
  std::string train_data;  // content hashes
  std::string valid_data;
  std::string tokenizer_hash;
  int64_t metrics_bytes = 0;  // length of metrics.jsonl at that moment
  std::string optimizer;      // Optimizer::name()
  std::string matmul;         // the library of matrix products
};

// What a checkpoint will contain, in separate host memory (12 bytes per parameter), so that
// training continues while it is written.
struct CheckpointCopy {
  int64_t step = 0;
  ModelWeights weights;
  OptimizerState optimizer;
  SavedState state;                         // without the hashes of the files
  std::vector<std::string> revisions = {};  // names under which it is kept
  bool is_best = false;                     // it is kept as checkpoints/best
};

// `moments`: all of them, in separate host memory (Shards::on_host()).
CheckpointCopy copy_for_checkpoint(const TrainState& state, OptimizerState moments,
                                   const CheckpointInfo& info);

// Writes the copy and makes it the latest, then removes all others except the newest `keep`, the
// revisions and the best. Throws an error that names the path if the disk is full or not writable;
// then older checkpoints are untouched.
std::filesystem::path write_checkpoint(const std::filesystem::path& checkpoints,
                                       const CheckpointCopy& copy, const Tokenizer* tokenizer,
                                       int64_t keep);

struct LoadedCheckpoint {
  TrainState state;
  CheckpointInfo info;
};

// Returns the range of the parameters whose moments are wanted.
using PartOfMoments = std::function<ElementRange(const ParameterLayout& layout)>;

// Loads the latest checkpoint of the folder, with all moments unless `part` is given; nullopt if
// there is none yet. Throws CheckpointError if it is damaged, and says how to continue from an
// older one.
std::optional<LoadedCheckpoint> load_latest_checkpoint(const std::filesystem::path& checkpoints,
                                                       at::Device device,
                                                       const PartOfMoments& part = {});

}  // namespace apollo
