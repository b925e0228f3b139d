// What a run begins with: a new model, or one grown out of a trained source (model.from).
// What counts as spent before the first step is known ahead, so a run of a number of FLOPs is
// shortened by it (after_cost()) and the rows of metrics.jsonl count it from the first on. A
// resumed run has all that in its checkpoint, and needs the source no more.
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
  TrainingCost before;                // what counts as spent
  double learning_flops = 0.0;        // of which in learning the growth
};

// Throws ConfigError with source_faults(), CheckpointError where the source's folder is missing or
// damaged, DataError where its tokenizer is. `tokenizer`: the run's, or null.
Beginning plan_beginning(const ResolvedConfig& resolved, const ModelShape& shape,
                         const Tokenizer* tokenizer);

// The model of the first stage. `spec` takes the source's epsilon of norms. Throws CheckpointError
// where the source cannot be read, DivergedError and Interrupted while its growth is learned.
std::unique_ptr<LanguageModel> first_model(const Beginning& beginning, const RunConfig& config,
                                           ModelSpec& spec, const Batches& batches,
                                           at::Device device);

// Fills the fields of the source; leaves them where there is none.
void describe_source(const Beginning& beginning, const RunConfig& config, StartRow& row);

}  // namespace apollo
