// `apollo eval --data` from a loaded model to numbers, without a command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json_lines.h"
#include "infer/model_folder.h"
#include "train/evaluation.h"

namespace apollo {

struct EvaluateOptions {
  int64_t depth = 0;  // 0: of the final model
  int64_t batch_size = 16;
  int64_t max_tokens = 0;  // 0: all
  // Of a masked model alone.
  std::optional<double> masked_fraction;
  bool mask_whole_words = false;
  bool separate_documents = false;
  bool show_progress = true;
  Workers* workers = nullptr;  // that share the batches; null: none but this process
};

struct DataEvaluation {
  bool is_causal = true;
  int64_t depth = 0;
  EvaluationResult result;
  std::optional<double> bits_per_byte;  // of a causal model, where the dataset knows its text
};

// The loss of `loaded`, which is of the folder `checkpoint` as the user named it, on `data`: a
// token dataset, text, or, where that is empty, the validation data of the run in the folder.
// Throws UsageError for a depth or options that do not go with the model, DataError for a dataset
// that was made for another.
DataEvaluation evaluate_data(const LoadedModel& loaded, const std::string& checkpoint,
                             const std::string& data, const EvaluateOptions& options);

// {"depth", "loss", "ppl", "bpb", "tokens", "flops"}, of a masked model "accuracy" in place of
// "ppl" and "bpb".
Json to_json(const DataEvaluation& evaluation);

}  // namespace apollo
