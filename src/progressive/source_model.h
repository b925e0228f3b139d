// The trained model from which a run starts (model.from), as far as it must be known before
// anything runs. Nothing here needs its weights, so `apollo plan` refuses the same runs as `apollo
// train`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "arch/counts.h"
#include "base/error.h"
#include "config/resolved_config.h"

namespace apollo {

// The cost of training, without evaluation.
struct TrainingCost {
  double flops = 0.0;
  double seconds = 0.0;
};

struct SourceModel {
  std::filesystem::path folder;  // the folder of the model itself
  ModelShape shape;              // `layers`: the unique layers of the folder
  Rope rope;
  Rope local_rope;
  std::string tokenizer_hash;        // as its checkpoint states it; empty: not stated
  std::optional<TrainingCost> cost;  // nothing: the folder does not state it
};

// Returns `path` itself if it holds a config.json, else the latest checkpoint of the run folder
// `path`. Throws CheckpointError if it is neither.
std::filesystem::path find_model_folder(const std::filesystem::path& path);

// Reads config.json of the folder or run `path`, and for a checkpoint of Apollo apollo/state.json.
// Throws CheckpointError if a file is missing or damaged.
SourceModel read_source_model(const std::filesystem::path& path);

// Returns what training cost up to the checkpoint `folder`, including what was charged before its
// first step; nothing if the folder is not a checkpoint of Apollo.
std::optional<TrainingCost> read_training_cost(const std::filesystem::path& folder);

// Returns the path of the config's source, relative to `base_dir`.
std::filesystem::path source_path(const RunConfig& config, const std::filesystem::path& base_dir);

// Fills what the user left out of a config with model.from: [model] gets the sizes and the
// tokenizer of that model, and it trains as it is unless a method or stages are set. Heads and
// inner width are taken only together with the width. A missing folder changes nothing, because a
// resumed run no longer needs it. Throws CheckpointError as read_source_model().
void take_source(ResolvedConfig& resolved);
// Returns what take_source() would fill, as overrides with the values of a config without a source.
std::vector<std::string> settings_before_source(const ResolvedConfig& resolved);

// Returns faults that the keys show by themselves: a method that needs a source but has none, a map
// without a source, or a map that learns its layers together with new layers of another kind.
std::vector<Diagnostic> source_key_faults(const RunConfig& config);

// Returns the reasons why `source` cannot grow to the first stage of a run of `shape`, all under
// the key "model.from": another architecture, vocabulary or tokenizer (not compared if
// `tokenizer_hash` is empty), a larger context, width, inner width or depth, or heads of another
// size.
std::vector<Diagnostic> source_faults(const SourceModel& source, const RunConfig& config,
                                      const ModelShape& shape, const std::string& tokenizer_hash);

// Throws ConfigError with these faults and their places in the file.
void check_source(const SourceModel& source, const ResolvedConfig& resolved,
                  const ModelShape& shape, const std::string& tokenizer_hash);

// Returns the forward FLOPs, 2 m n k per product, of applying once the operators that grow `source`
// to `layers` layers of `target` (model/growth_operators.h).
double growth_operator_flops(const ModelShape& source, const ModelShape& target, int64_t layers);

// Returns what counts as spent before the run's first step: the source's training, if
// progressive.charge_source is set and the cost is known, and the learning of the operators with
// source_map = "ligo". `seconds` covers only the source's training.
TrainingCost cost_before_start(const SourceModel& source, const RunConfig& config,
                               const ModelShape& shape);
// Returns the FLOPs of learning the operators; 0 with another map.
double growth_learning_flops(const SourceModel& source, const RunConfig& config,
                             const ModelShape& shape);

// Returns the config of the steps themselves: a run of a number of FLOPs keeps only those that were
// not spent before. Throws ConfigError if none are left.
RunConfig after_cost(const RunConfig& config, double flops_before);

}  // namespace apollo
