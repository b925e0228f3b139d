// apollo finetune: a grid of runs of one task from one checkpoint, the best of them as a model.
//
// The folder `out` holds results.json (rewritten after every run, so that a call with the same
// arguments goes on where the last one ended), predictions-dev.tsv and -test.tsv, and model/, a
// Hugging Face folder. A call with another grid adds to the results; the model is the best of all.
// While the grid is not done, weights/ keeps the best model of the best learning rate so far and of
// the one under way.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>

#include "finetune/results.h"
#include "finetune/task_config.h"

namespace apollo {

struct FinetuneOptions {
  std::filesystem::path checkpoint;  // checkpoint, run or Hugging Face folder
  std::filesystem::path out;
  bool random_weights = false;  // the body is initialised anew: the floor to compare with
  at::Device device = at::Device(at::kCPU);
};

// Runs what is missing of the grid. Throws what load_task_data() and load_hf_model() throw;
// DataError where the model has no tokenizer, ConfigError where train.max_length is beyond the
// context, UsageError where `out` holds another task, DivergedError where every learning rate
// diverged, Interrupted when a signal asks to stop: finished runs are saved by then.
FinetuneResults finetune(const ResolvedTask& task, const FinetuneOptions& options);

}  // namespace apollo
