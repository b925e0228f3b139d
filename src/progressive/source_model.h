// The trained model that a run begins from (model.from): what must be known of it before
// anything runs. Nothing here needs its weights, so `apollo plan` refuses what `apollo train`
// would.
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

// What training cost, evaluation apart.
struct TrainingCost {
  double flops = 0.0;
  double seconds = 0.0;
};

struct SourceModel {
  std::filesystem::path folder;  // of the model itself
  ModelShape shape;              // `layers`: the unique layers of the folder
  Rope rope;
  Rope local_rope;
  std::string tokenizer_hash;        // as its checkpoint notes it; empty: it does not
  std::optional<TrainingCost> cost;  // nothing: the folder does not say
};

// `path` itself where it holds a config.json, else the latest checkpoint of a run folder. Throws
// CheckpointError where it is neither.
std::filesystem::path find_model_folder(const std::filesystem::path& path);

// Reads config.json of the folder or run `path` and, of a checkpoint of Apollo's,
// apollo/state.json. Throws CheckpointError where they are missing or damaged.
SourceModel read_source_model(const std::filesystem::path& path);

// Everything that training up to the checkpoint `folder` cost, with what was charged to it before
// its first step; nothing where the folder is no checkpoint of Apollo's.
std::optional<TrainingCost> read_training_cost(const std::filesystem::path& folder);

// The source of the config, its path taken from `base_dir`.
std::filesystem::path source_path(const RunConfig& config, const std::filesystem::path& base_dir);

// Fills what the user left out of a config with model.from: the sizes of [model] and the tokenizer
// are those of that model, and it trains as it is unless a method or stages are asked for. Heads
// and inner width are only taken together with the width. A folder that is not there changes
// nothing, since a run that goes on needs it no more. Throws CheckpointError as
// read_source_model().
void take_source(ResolvedConfig& resolved);
// What take_source() would fill, as overrides with the values of a config without it.
std::vector<std::string> settings_before_source(const ResolvedConfig& resolved);

// Faults of the keys by themselves: no source where the method needs one, a map without a source, a
// map that learns its layers together with other new ones.
std::vector<Diagnostic> source_key_faults(const RunConfig& config);

// Why `source` cannot grow to the first stage of a run of `shape`, all at once, at key
// "model.from": another architecture, vocabulary or tokenizer (`tokenizer_hash` empty: not
// compared), a larger context, width, inner width or depth, or heads of another size.
std::vector<Diagnostic> source_faults(const SourceModel& source, const RunConfig& config,
                                      const ModelShape& shape, const std::string& tokenizer_hash);

// Throws ConfigError with these faults, where they stand in the file.
void check_source(const SourceModel& source, const ResolvedConfig& resolved,
                  const ModelShape& shape, const std::string& tokenizer_hash);

// FLOPs of one application of the operators that grow `source` to `layers` layers of `target`
// (model/growth_operators.h), forward: 2 m n k of each product.
double growth_operator_flops(const ModelShape& source, const ModelShape& target, int64_t layers);

// What counts as spent before the run's first step: the source's training where progressive
// .charge_source is set and it is known, and the learning of the operators with source_map =
// "ligo". `seconds`: of the former alone.
TrainingCost cost_before_start(const SourceModel& source, const RunConfig& config,
                               const ModelShape& shape);
// FLOPs of that learning: 0 with another map.
double growth_learning_flops(const SourceModel& source, const RunConfig& config,
                             const ModelShape& shape);

// The config of the steps themselves: a run of a number of FLOPs has those left that were not spent
// before. Throws ConfigError where none are.
RunConfig after_cost(const RunConfig& config, double flops_before);

}  // namespace apollo
