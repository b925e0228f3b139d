// One run from its config to its last checkpoint, in a run folder of its own:
//   run.toml metrics.jsonl events.out.tfevents.* log.txt checkpoints/step-N checkpoints/latest
// The same call again goes on where the latest checkpoint stands, to the same bits; what
// metrics.jsonl holds beyond that checkpoint is cut off first.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "base/energy.h"
#include "base/file.h"
#include "config/resolved_config.h"
#include "data/prepare.h"
#include "train/beginning.h"
#include "train/checkpoint_writer.h"
#include "train/map_trial.h"
#include "train/recurrence.h"
#include "train/run_log.h"
#include "train/train_step.h"

namespace apollo {

class Trainer {
 public:
  // Opens data, schedule and run folder; makes a new model or loads the latest checkpoint. Throws
  // ConfigError where the folder holds a run that was started with other values, naming them, and
  // Error where another process trains in it.
  Trainer(ResolvedConfig resolved, std::filesystem::path run_dir);
  ~Trainer();

  // Trains to the end. Throws Interrupted after saving when a signal asks to stop (during an
  // evaluation too), DivergedError without saving, and the error of a checkpoint that could not be
  // written at the next step.
  void run();

  const std::filesystem::path& run_dir() const { return run_dir_; }

 private:
  void open_run_folder();
  void take_machine_choices();
  void start_or_resume(std::optional<LoadedCheckpoint> loaded);
  void make_first_model();
  void log_beginning() const;
  Json start_header() const;
  CheckpointInfo identity() const;
  void check_identity(const CheckpointInfo& saved) const;

  void loop();
  bool finished() const;
  void evaluate_if_due();
  EvaluationResult evaluate_at(int64_t depth);
  void log_evaluation(const char* which, int64_t depth, const EvaluationResult& result);
  // True where the run moved on: by the steps of a trial of layer maps.
  bool grow_if_due();
  struct Readiness {
    DepthProbe probe;
    ProbeRow row;
    double flops = 0.0;
    double seconds = 0.0;
  };
  // A probe with grow_when = ready or gain, where one is due.
  std::optional<Readiness> probe_readiness();
  void charge(const Readiness& readiness);
  // Growth to the layers of the stage `next`, which then is the run's.
  bool grow(const StageState& next, const std::optional<Readiness>& readiness);
  void keep_chosen(MapTrial trial, int64_t from);
  void save_if_due();
  void save();
  void log_written(const std::optional<WrittenCheckpoint>& written);
  void step();

  double seconds_since(std::chrono::steady_clock::time_point start) const;
  std::optional<double> energy_joules();

  ResolvedConfig resolved_;
  std::filesystem::path run_dir_;
  std::unique_ptr<FileLock> lock_;
  at::Device device_;
  RunData data_;
  std::unique_ptr<Batches> train_;
  std::unique_ptr<BatchPrefetcher> prefetcher_;  // of train_
  std::unique_ptr<Batches> valid_;
  ModelSpec model_spec_;
  Beginning beginning_;  // of a run that does not resume
  std::unique_ptr<Schedule> schedule_;
  std::unique_ptr<TrainingPasses> passes_;
  std::unique_ptr<StepContext> context_;
  std::unique_ptr<Recurrence> evaluations_;
  std::unique_ptr<Recurrence> checkpoints_;
  std::unique_ptr<Recurrence> probes_;  // of readiness to grow
  TrainState state_;
  std::unique_ptr<RunLog> log_;  // null: the run is over
  std::unique_ptr<CheckpointWriter> writer_;
  std::unique_ptr<EnergyMeter> energy_;
  double energy_before_ = 0.0;  // of the processes that trained this run earlier
};

}  // namespace apollo
