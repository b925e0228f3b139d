#include "train/checkpoint_writer.h"

#include <exception>
#include <utility>

#include "base/file.h"
#include "base/log.h"

namespace apollo {
namespace {

double seconds_since(CheckpointWriter::Clock::time_point start) {
  return std::chrono::duration<double>(CheckpointWriter::Clock::now() - start).count();
}

}  // namespace

CheckpointWriter::CheckpointWriter(std::filesystem::path run_dir, const Tokenizer* tokenizer,
                                   int64_t keep)
    : run_dir_(std::move(run_dir)), tokenizer_(tokenizer), keep_(keep) {}

CheckpointWriter::~CheckpointWriter() {
  try {
    wait();
  } catch (const std::exception& error) {
    log_warning("a checkpoint was not written: {}", error.what());
  }
}

void CheckpointWriter::start(CheckpointCopy copy, Clock::time_point stopped_at) {
  in_flight_ = std::async(std::launch::async, [this, copy = std::move(copy)]() mutable {
    return write(std::move(copy));
  });
  training_seconds_ = seconds_since(stopped_at);
}

// Flushes metrics.jsonl first, because a checkpoint relies on all earlier rows. The copy is
// released here and not when training asks for the result.
WrittenCheckpoint CheckpointWriter::write(CheckpointCopy copy) const {
  const auto start = Clock::now();
  sync_file(run_dir_ / "metrics.jsonl");
  const auto path = write_checkpoint(run_dir_ / "checkpoints", copy, tokenizer_, keep_);
  return {.path = std::filesystem::relative(path, run_dir_),
          .write_seconds = seconds_since(start),
          .is_best = copy.is_best};
}

std::optional<WrittenCheckpoint> CheckpointWriter::wait() {
  if (!in_flight_.valid()) return std::nullopt;
  WrittenCheckpoint written = in_flight_.get();
  written.training_seconds = training_seconds_;
  return written;
}

std::optional<WrittenCheckpoint> CheckpointWriter::poll() {
  using namespace std::chrono_literals;
  if (!in_flight_.valid() || in_flight_.wait_for(0s) != std::future_status::ready) {
    return std::nullopt;
  }
  return wait();
}

}  // namespace apollo
