#include "data/batch_prefetcher.h"

namespace apollo {

TokenBatch BatchPrefetcher::make(int64_t step) const {
  TokenBatch batch;
  batches_.fill_train(step * rows_, rows_, batch);
  return batch;
}

TokenBatch BatchPrefetcher::take(int64_t step) {
  TokenBatch batch = ready_.valid() && ready_step_ == step ? ready_.get() : make(step);
  ready_step_ = step + 1;
  ready_ = std::async(std::launch::async, [this, step] { return make(step + 1); });
  return batch;
}

}  // namespace apollo
