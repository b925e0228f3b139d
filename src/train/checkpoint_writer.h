// Writes checkpoints while training continues: the trainer hands over a copy of its state, and a
// worker thread writes, syncs and renames it. Only one is written at a time, so that the newest
// checkpoint is at most one behind, and memory holds at most one copy.
#pragma once

#include <chrono>
#include <filesystem>
#include <future>
#include <optional>

#include "train/checkpoint.h"

namespace apollo {

// A checkpoint that is on disk, and what it cost.
struct WrittenCheckpoint {
  std::filesystem::path path;     // relative to the run folder
  double training_seconds = 0.0;  // how long training stood still
  double write_seconds = 0.0;     // of the worker thread
  bool is_best = false;           // it became checkpoints/best
};

class CheckpointWriter {
 public:
  using Clock = std::chrono::steady_clock;

  // Writes the checkpoints of the run in `run_dir` and keeps the newest `keep`. `tokenizer`, which
  // may be null, must outlive the writer.
  CheckpointWriter(std::filesystem::path run_dir, const Tokenizer* tokenizer, int64_t keep);
  // Waits for the worker, and logs an error that nobody asked for as a warning.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Starts writing. The previous checkpoint must have been taken by wait() or poll(). Training has
  // stood still since `stopped_at`.
  void start(CheckpointCopy copy, Clock::time_point stopped_at);
  // Returns the started checkpoint once it is on disk; nothing if none was started since the last
  // one was taken. Throws what write_checkpoint() throws.
  std::optional<WrittenCheckpoint> wait();
  // The same, but returns nothing while it is still being written.
  std::optional<WrittenCheckpoint> poll();

 private:
  WrittenCheckpoint write(CheckpointCopy copy) const;

  std::filesystem::path run_dir_;
  const Tokenizer* tokenizer_;
  int64_t keep_;
  double training_seconds_ = 0.0;             // of the one in flight
  std::future<WrittenCheckpoint> in_flight_;  // not valid: there is none
};

}  // namespace apollo
