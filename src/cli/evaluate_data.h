// `apollo eval --data`, from a loaded model to numbers, without a command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json_lines.h"
#include "infer/model_folder.h"
#include "train/evaluation.h"

namespace apollo {

struct EvaluateOptions {
  int64_t depth = 0;  // 0: the depth of the final model
  int64_t batch_size = 16;
  int64_t max_tokens = 0;  // 0: all
  // Only for a masked model.
  std::optional<double> masked_fraction;
  bool mask_whole_words = false;
  bool separate_documents = false;
  bool show_progress = true;
  Workers* workers = nullptr;  // they share the batches; null: only this process
};

struct DataEvaluation {
  bool is_causal = true;
  int64_t depth = 0;
  EvaluationResult result;
  std::optional<double> bits_per_byte;  // for a causal model, if the dataset's text size is known
};

// Evaluates `loaded`, the model of the folder `checkpoint` as the user named it, on `data`. That is
// a token dataset or text; if it is empty, the validation data of the run in the folder. Throws
// UsageError for a depth or options that do not suit the model, and DataError for a dataset made
// for another one.
DataEvaluation evaluate_data(const LoadedModel& loaded, const std::string& checkpoint,
                             const std::string& data, const EvaluateOptions& options);

// Returns {"depth", "loss", "ppl", "bpb", "tokens", "flops"}; for a masked model "accuracy"
// replaces "ppl" and "bpb".
Json to_json(const DataEvaluation& evaluation);

}  // namespace apollo
