// apollo finetune: a grid of runs of one task from one checkpoint; the best of them becomes a
// model.
//
// The folder `out` holds results.json, predictions-dev.tsv and -test.tsv, and model/, a Hugging
// Face folder. results.json is rewritten after every run, so that a call with the same arguments
// continues where the last one ended. A call with another grid adds to the results, and the model
// is the best of all. Until the grid is done, weights/ keeps the best model of the best learning
// rate so far, and of the one in progress.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>

#include "finetune/results.h"
#include "finetune/task_config.h"

namespace apollo {

struct FinetuneOptions {
  std::filesystem::path checkpoint;  // checkpoint, run or Hugging Face folder
  std::filesystem::path out;
  bool random_weights = false;  // initialise the body anew, as the floor to compare with
  at::Device device = at::Device(at::kCPU);
};

// Runs what is missing of the grid. Throws what load_task_data() and load_hf_model() throw,
// DataError if the model has no tokenizer, ConfigError if train.max_length exceeds the context,
// UsageError if `out` holds another task, DivergedError if every learning rate diverged, and
// Interrupted if a signal asks to stop; finished runs are saved by then.
FinetuneResults finetune(const ResolvedTask& task, const FinetuneOptions& options);

}  // namespace apollo
