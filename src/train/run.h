// A run, opened: all that stays the same from its first step to its last, and the state at which it
// stands. A value: two runs can live in one process, and take turns step by step.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "base/file.h"
#include "base/log.h"
#include "config/resolved_config.h"
#include "data/batch_prefetcher.h"
#include "data/prepare.h"
#include "optim/optimizer.h"
#include "parallel/workers.h"
#include "progressive/schedule.h"
#include "train/beginning.h"
#include "train/checkpoint.h"
#include "train/shards.h"
#include "train/train_state.h"
#include "train/training_passes.h"

namespace apollo {

struct Run {
  ResolvedConfig resolved;  // what runs; nothing changes it any more
  at::Device device = at::kCPU;
  std::unique_ptr<Workers> workers;  // that share its steps
  RunData data;
  std::unique_ptr<Batches> train;
  std::unique_ptr<Batches> valid;            // null: no validation data
  std::unique_ptr<Batches> test;             // null: no test data
  std::unique_ptr<BatchPrefetcher> batches;  // of `train`
  ModelSpec model;                           // the final one
  std::unique_ptr<Schedule> schedule;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Shards> shards;  // of the update among the workers
  std::unique_ptr<TrainingPasses> passes;
  MatmulLibrary matmul = MatmulLibrary::kAuto;  // of its products: what run.matmul came to
  double peak_flops_per_second = 0.0;           // of all processes together; 0: not measured
  CheckpointInfo identity;  // what a checkpoint must agree with to be gone on from

  // These are of a run that has a folder.
  std::filesystem::path dir;
  std::unique_ptr<FileLock> lock;
  std::unique_ptr<LogFile> log_file;
  TrainState state;
  int64_t metrics_bytes = 0;  // of metrics.jsonl, what the state counts on
  bool resumes = false;
  bool has_new_length = false;  // it resumes with another train.duration
  Beginning beginning;          // of one that does not resume

  const RunConfig& config() const { return resolved.config; }
};

// Opens data, schedule and run folder; makes a new model or loads the latest checkpoint. A process
// that was started as one of several ranks joins the others; nothing but rank 0 writes. Throws
// ConfigError where the folder holds a run that was started with other values, naming them, Error
// where another process trains in it, and what opening data and checkpoints throws.
Run open_run(ResolvedConfig resolved, const std::filesystem::path& dir);

// The same without a folder and a state: what train_step() needs beside one.
Run prepare_run(ResolvedConfig resolved, std::unique_ptr<DeviceGraphRecorder> recorder);

}  // namespace apollo
