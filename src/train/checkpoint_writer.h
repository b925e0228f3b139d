// Checkpoints written while training goes on: the trainer hands over a copy of its state, a worker
// thread writes, syncs and renames it. One at a time, so that the newest checkpoint is never more
// than one behind and memory holds one copy at most.
#pragma once

#include <chrono>
#include <filesystem>
#include <future>
#include <optional>

#include "train/checkpoint.h"

namespace apollo {

// A checkpoint that is on disk, and what it took.
struct WrittenCheckpoint {
  std::filesystem::path path;     // relative to the run folder
  double training_seconds = 0.0;  // that training stood still for it
  double write_seconds = 0.0;     // of the worker thread
  bool is_best = false;           // it became checkpoints/best
};

class CheckpointWriter {
 public:
  using Clock = std::chrono::steady_clock;

  // Writes the checkpoints of the run in `run_dir` and keeps the newest `keep`. `tokenizer`, which
  // may be null, must outlive this.
  CheckpointWriter(std::filesystem::path run_dir, const Tokenizer* tokenizer, int64_t keep);
  // Waits for the worker; warns of an error that nobody asked for.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Begins to write. The one before must have been taken by wait() or poll(). Training has stood
  // still since `stopped_at`.
  void start(CheckpointCopy copy, Clock::time_point stopped_at);
  // The checkpoint that was begun, once it is on disk; nothing where none was begun since the last
  // one taken. Throws what write_checkpoint() throws.
  std::optional<WrittenCheckpoint> wait();
  // The same, or nothing where it is still being written.
  std::optional<WrittenCheckpoint> poll();

 private:
  WrittenCheckpoint write(CheckpointCopy copy) const;

  std::filesystem::path run_dir_;
  const Tokenizer* tokenizer_;
  int64_t keep_;
  double training_seconds_ = 0.0;             // for the one in flight
  std::future<WrittenCheckpoint> in_flight_;  // not valid: none
};

}  // namespace apollo
