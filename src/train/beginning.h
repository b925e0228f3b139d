// The start of a run: a new model, or one grown from a trained source (model.from). What counts as
// spent before the first step is known in advance, so a run measured in FLOPs is shortened by it
// (after_cost()), and all rows of metrics.jsonl include it. A resumed run has all this in its
// checkpoint and no longer needs the source.
#pragma once

#include <memory>
#include <optional>

#include "config/resolved_config.h"
#include "data/batches.h"
#include "model/model.h"
#include "progressive/source_model.h"
#include "runlog/rows.h"

namespace apollo {

struct Beginning {
  std::optional<SourceModel> source;  // nothing: a new model
  TrainingCost before;                // what counts as spent before the first step
  double learning_flops = 0.0;        // the part spent on learning the growth
};

// Throws ConfigError with source_faults(), CheckpointError if the source's folder is missing or
// damaged, and DataError if its tokenizer is. `tokenizer`: the run's, or null.
Beginning plan_beginning(const ResolvedConfig& resolved, const ModelShape& shape,
                         const Tokenizer* tokenizer);

// Returns the model of the first stage. `spec` takes over the source's epsilon of norms. Throws
// CheckpointError if the source cannot be read, and DivergedError or Interrupted while it learns
// its growth.
std::unique_ptr<LanguageModel> first_model(const Beginning& beginning, const RunConfig& config,
                                           ModelSpec& spec, const Batches& batches,
                                           at::Device device);

// Fills in the fields of the source, if there is one.
void describe_source(const Beginning& beginning, const RunConfig& config, StartRow& row);

}  // namespace apollo
