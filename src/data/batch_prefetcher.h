// The training batches of a run, prepared one step ahead: while the device works on a step, a
// worker thread makes the batch of the next (tokens from disk, masks). Batches are pure functions
// of their place, so the result does not depend on whether a batch was ready.
#pragma once

#include <cstdint>
#include <future>

#include "data/batches.h"

namespace apollo {

class BatchPrefetcher {
 public:
  // Makes batches of `rows` sequences per step. `batches` must outlive this.
  BatchPrefetcher(const Batches& batches, int64_t rows) : batches_(batches), rows_(rows) {}
  // Waits for the worker.
  ~BatchPrefetcher() = default;
  BatchPrefetcher(const BatchPrefetcher&) = delete;
  BatchPrefetcher& operator=(const BatchPrefetcher&) = delete;

  // Returns the sequences at places [step * rows, (step + 1) * rows) of the training order and
  // starts to make those of the next step. Throws what Batches::fill_train() threw for this batch.
  TokenBatch take(int64_t step);

 private:
  TokenBatch make(int64_t step) const;

  const Batches& batches_;
  int64_t rows_;
  int64_t ready_step_ = -1;        // the step of ready_
  std::future<TokenBatch> ready_;  // being made, or made
};

}  // namespace apollo
