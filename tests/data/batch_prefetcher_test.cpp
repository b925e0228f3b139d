#include "data/batch_prefetcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

// Sequences of one token, their own place; the batch at `broken` cannot be read.
class CountingBatches final : public Batches {
 public:
  explicit CountingBatches(int64_t broken = -1) : broken_(broken) {}

  void fill_train(int64_t first, int64_t rows, TokenBatch& batch) const override {
    if (first == broken_) throw DataError("cannot be read");
    batch.rows = rows;
    for (int64_t i = 0; i < rows; ++i)
      batch.inputs.push_back(first + i);
    last_first = first;
  }
  void fill_sequences(std::span<const int64_t>, TokenBatch&) const override {}
  int64_t num_sequences() const override { return 100; }

  mutable std::atomic<int64_t> last_first = -1;

 private:
  int64_t broken_;
};

TEST(BatchPrefetcher, HandsOutTheBatchOfEachStepInWhateverOrder) {
  const CountingBatches batches;
  BatchPrefetcher prefetcher(batches, 3);
  for (const int64_t step : {0, 1, 2, 7, 8, 3, 3}) {
    const TokenBatch batch = prefetcher.take(step);
    EXPECT_EQ(batch.rows, 3);
    EXPECT_EQ(batch.inputs, (std::vector<int64_t>{3 * step, 3 * step + 1, 3 * step + 2}));
  }
}

TEST(BatchPrefetcher, MakesTheNextBatchBeforeItIsAskedFor) {
  const CountingBatches batches;
  BatchPrefetcher prefetcher(batches, 3);
  prefetcher.take(4);
  for (int i = 0; i < 10000 && batches.last_first != 15; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(batches.last_first, 15);
}

TEST(BatchPrefetcher, AnErrorComesWhenItsBatchIsAskedFor) {
  const CountingBatches batches(/*broken=*/6);
  BatchPrefetcher prefetcher(batches, 3);
  EXPECT_EQ(prefetcher.take(1).inputs.front(), 3);
  EXPECT_EQ(thrown_text<DataError>([&] { prefetcher.take(2); }), "cannot be read");
  EXPECT_EQ(prefetcher.take(3).inputs.front(), 9);
}

}  // namespace
}  // namespace apollo
